"""Loads a byte-level BPE tokenizer with GPT-2's pattern, and says which of its files are copied."""

import dataclasses
import json
import pathlib

from .json_file import read_json_object, read_json_object_if_there
from .rank_file import tokenizer_of_ranks
from .refusal import BAD_DATA, NO_INPUT, Refusal

COMPANIONS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


@dataclasses.dataclass
class BytePairSource:
    backend: object  # tokenizers.Tokenizer, with its own truncation and padding switched off
    files: list[pathlib.Path]

    def encode(self, text: str, max_length: int) -> list[int]:
        self.backend.enable_truncation(max_length)
        ids = self.backend.encode(text).ids
        self.backend.no_truncation()
        return ids

    def special_token(self) -> str | None:
        """One that stands in the files themselves, for a golden row."""
        if self.files[0].name != "tokenizer.json":
            return None  # which tokens are special is then a matter of the library
        added = self.backend.get_added_tokens_decoder()
        return next((token.content for _, token in sorted(added.items()) if token.special), None)


def load_byte_pair_tokenizer(folder: pathlib.Path, report) -> BytePairSource | None:
    """None where the folder holds no tokenizer: a model of music, say."""
    companions = [folder / name for name in COMPANIONS if (folder / name).is_file()]
    if (folder / "tokenizer.json").is_file():
        files, backend = [folder / "tokenizer.json"], read_tokenizer_json(folder)
    elif (folder / "vocab.json").is_file() or (folder / "merges.txt").is_file():
        files = [folder / "vocab.json", folder / "merges.txt"]
        backend = read_vocabulary_and_merges(folder)
    else:
        ranks = sorted(folder.glob("*.tiktoken"))
        if not ranks:
            return None
        if len(ranks) > 1:
            raise Refusal(BAD_DATA, f"{folder}: {len(ranks)} .tiktoken files; one is expected")
        files, companions, backend = ranks, [], tokenizer_of_ranks(ranks[0])
        report(f"note: {ranks[0].name} names no pattern; GPT-2's is used")
    backend.no_truncation()
    backend.no_padding()
    if read_json_object_if_there(folder / "tokenizer_config.json").get("add_bos_token"):
        report("note: add_bos_token in tokenizer_config.json: ferry's tokenizer adds no such token")
    return BytePairSource(backend, files + companions)


def read_tokenizer_json(folder: pathlib.Path):
    import tokenizers

    path = folder / "tokenizer.json"
    content = read_json_object(path)
    check_parts(path, content)
    config = read_json_object_if_there(folder / "tokenizer_config.json")
    prefix = content["pre_tokenizer"].get("add_prefix_space", True)
    if config.get("add_prefix_space", prefix) != prefix:
        raise Refusal(
            BAD_DATA,
            f"{folder}: add_prefix_space is {prefix} in tokenizer.json and "
            f"{config['add_prefix_space']} in tokenizer_config.json; make them the same",
        )
    try:
        backend = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a plain Exception
        raise Refusal(BAD_DATA, f"{path}: tokenizers cannot load it: {error}") from None
    for token in content.get("added_tokens") or []:
        given = backend.token_to_id(token["content"])
        if given != token["id"]:  # the library counts on where ids have a gap
            raise Refusal(
                BAD_DATA,
                f"{path}: the added token {token['content']!r} has the id {token['id']} in the file "
                f"and {given} in tokenizers; give the added tokens the ids that follow the vocabulary",
            )
    return backend


def check_parts(path: pathlib.Path, content: dict) -> None:
    """Whether tokenizer.json is of the kind that ferry's own tokenizer reads."""

    def part(name: str) -> dict:
        value = content.get(name) or {}
        if not isinstance(value, dict):
            raise Refusal(BAD_DATA, f"{path}: {name} is no object")
        return value

    def refuse(what: str):
        raise Refusal(BAD_DATA, f"{path}: {what}; ferry takes byte-level BPE with GPT-2's pattern")

    model, splitter, template = part("model"), part("pre_tokenizer"), part("post_processor")
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        refuse(f"the model is of type {model.get('type')}")
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(option):
            refuse(f"the model's {option} is {model[option]!r}")
    for option in ("byte_fallback", "ignore_merges"):
        if model.get(option):
            refuse(f"the model's {option} is on")
    if part("normalizer"):
        refuse(f"the normalizer is of type {part('normalizer').get('type')}")
    if splitter.get("type") != "ByteLevel":
        refuse(f"the pre_tokenizer is of type {splitter.get('type')}")
    if not splitter.get("use_regex", True):
        refuse("the pre_tokenizer does not split (use_regex is false)")
    if template.get("type") not in (None, "ByteLevel", "TemplateProcessing") or template.get(
        "special_tokens"
    ):
        refuse(
            f"the post_processor, of type {template.get('type')}, adds special tokens around a "
            "text, which score and generate take as it is"
        )


def read_vocabulary_and_merges(folder: pathlib.Path):
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            raise Refusal(
                NO_INPUT, f"{folder}: {name} is not there; vocab.json and merges.txt are a pair"
            )
    config = read_json_object_if_there(folder / "tokenizer_config.json")
    read_json_object(folder / "vocab.json")
    try:
        model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    except Exception as error:  # the library raises a plain Exception
        raise Refusal(
            BAD_DATA, f"{folder}: tokenizers cannot load vocab.json and merges.txt: {error}"
        ) from None
    backend = tokenizers.Tokenizer(model)
    prefix = bool(config.get("add_prefix_space", False))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    return backend


def highest_id(folder: pathlib.Path, source: BytePairSource) -> int:
    """Added tokens included, wherever they are named."""
    added = read_json_object_if_there(folder / "added_tokens.json")
    config = read_json_object_if_there(folder / "tokenizer_config.json")
    ids = [
        *source.backend.get_vocab(with_added_tokens=True).values(),
        *(value for value in added.values() if isinstance(value, int)),
        *(int(key) for key in config.get("added_tokens_decoder", {}) if str(key).isdigit()),
    ]
    return max(ids, default=-1)


def check_vocabulary(folder: pathlib.Path, source: BytePairSource, vocabulary_size: int) -> None:
    highest = highest_id(folder, source)
    if highest < 0:
        raise Refusal(BAD_DATA, f"{source.files[0]}: an empty vocabulary")
    if highest >= vocabulary_size:
        raise Refusal(
            BAD_DATA,
            f"the tokenizer has ids up to {highest}, the model only {vocabulary_size} of them: "
            "tokenizer and model do not belong together",
        )
