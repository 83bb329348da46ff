"""Loads a model's tokenizer and decides which of its files go into the model directory."""

import dataclasses
import json
import pathlib

from .json_file import read_json_object, read_json_object_if_there
from .refusal import BAD_DATA, NO_INPUT, Refusal

# Read by ferry's tokenizer, or kept for the reader's sake (special_tokens_map.json).
COMPANION_FILES = ["tokenizer_config.json", "special_tokens_map.json"]


@dataclasses.dataclass
class TokenizerSource:
    backend: object  # tokenizers.Tokenizer, with its own truncation and padding switched off
    files: list[pathlib.Path]
    model_max_length: int | None
    overrides: dict[str, bool]  # what the files alone do not say, for the manifest
    lowercase_first: bool = False  # as sentence-transformers' do_lower_case

    def encode(self, text: str, pair: str | None, max_length: int):
        """Ids and type ids, as the original library makes them."""
        if self.lowercase_first:
            text, pair = text.lower(), pair and pair.lower()
        self.backend.enable_truncation(max_length)
        encoding = self.backend.encode(text, pair)
        self.backend.no_truncation()
        return encoding.ids, encoding.type_ids

    def added_tokens(self) -> int:
        """Special tokens around one text."""
        return self.backend.num_special_tokens_to_add(False)


def load_tokenizer(folder: pathlib.Path, lowercase_first: bool) -> TokenizerSource:
    files = tokenizer_files(folder)
    written = check_kind(folder / "tokenizer.json") if files[0].name == "tokenizer.json" else None
    reference = load_reference(folder)
    backend = reference.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return TokenizerSource(
        backend=backend,
        files=files,
        model_max_length=reference.model_max_length,
        overrides=normalizer_overrides(backend, written, lowercase_first),
        lowercase_first=lowercase_first,
    )


def tokenizer_files(folder: pathlib.Path) -> list[pathlib.Path]:
    for name in ("tokenizer.json", "vocab.txt"):
        if (folder / name).is_file():
            companions = [folder / companion for companion in COMPANION_FILES]
            return [folder / name] + [path for path in companions if path.is_file()]
    raise Refusal(
        NO_INPUT,
        f"{folder}: neither tokenizer.json nor vocab.txt is there; ferry needs one of them",
    )


def check_kind(path: pathlib.Path) -> dict:
    """The content of tokenizer.json, if it is of a kind that ferry's own tokenizer reads."""
    content = read_json_object(path)
    for part, known in (
        ("model", ("WordPiece",)),
        ("normalizer", ("BertNormalizer", None)),
        ("pre_tokenizer", ("BertPreTokenizer",)),
        ("post_processor", ("TemplateProcessing", "BertProcessing", None)),
    ):
        kind = (content.get(part) or {}).get("type")
        if kind not in known:
            names = " or ".join(str(name) for name in known if name)
            raise Refusal(
                BAD_DATA, f"{path}: the {part} is of type {kind}; ferry's tokenizer knows {names}"
            )
    return content


def load_reference(folder: pathlib.Path):
    import transformers

    try:
        reference = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises many kinds for a file that it cannot use
        raise Refusal(
            BAD_DATA, f"{folder}: transformers cannot load the tokenizer: {error}"
        ) from None
    if getattr(reference, "backend_tokenizer", None) is None:
        raise Refusal(
            BAD_DATA,
            f"{folder}: {type(reference).__name__} has no fast form that could be compared with",
        )
    return reference


def normalizer_settings(serialized: dict) -> dict[str, bool]:
    """BertNormalizer's options, with the default of strip_accents (as lowercase) filled in."""
    normalizer = serialized.get("normalizer") or {}
    if normalizer.get("type") != "BertNormalizer":
        return {}
    lowercase = bool(normalizer.get("lowercase", True))
    accents = normalizer.get("strip_accents")
    return {
        "lowercase": lowercase,
        "strip_accents": lowercase if accents is None else bool(accents),
        "clean_text": bool(normalizer.get("clean_text", True)),
        "handle_chinese_chars": bool(normalizer.get("handle_chinese_chars", True)),
    }


def normalizer_overrides(backend, written: dict | None, lowercase_first: bool) -> dict[str, bool]:
    """What has to be said in the manifest so that ferry's tokenizer does as the reference.

    tokenizer_config.json can change what tokenizer.json says, and sentence-transformers can lower
    the case before the tokenizer sees the text.
    """
    effective = normalizer_settings(json.loads(backend.to_str()))
    if effective and lowercase_first and not effective["lowercase"]:
        effective["lowercase"] = True
    if written is None:
        return effective
    stated = normalizer_settings(written)
    changed = {name: value for name, value in effective.items() if stated.get(name) != value}
    if "lowercase" in changed:
        # Where the file leaves it open, accents follow the case: now it has to be said.
        changed["strip_accents"] = effective["strip_accents"]
    return changed
