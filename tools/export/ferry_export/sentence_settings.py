"""What a sentence-transformers folder says about pooling, normalisation and length.

A folder without modules.json is a plain Hugging Face model: then nothing is known and the command
line or a default decides.
"""

import dataclasses
import pathlib

from .json_file import read_json, read_json_object, read_json_object_if_there
from .refusal import BAD_DATA, Refusal

# sentence-transformers' name of a mode, new and old, and ferry's name of the same.
POOLING_NAMES = {"mean": "mean", "cls": "cls", "max": "max", "lasttoken": "last"}
OLD_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# The file has kept the name of the first model that it was written for.
LENGTH_FILES = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
]


@dataclasses.dataclass
class SentenceSettings:
    transformer_folder: pathlib.Path
    pooling: str | None = None
    normalize: bool | None = None
    max_length: int | None = None
    lowercase: bool = False  # the text is lower-cased before the tokenizer sees it
    default_prompt: str = ""


def read_sentence_settings(folder: pathlib.Path) -> SentenceSettings:
    """Raises Refusal for a module that ferry does not apply."""
    if not (folder / "modules.json").exists():
        return with_length_file(SentenceSettings(transformer_folder=folder))
    modules = list_modules(folder)
    kinds = [kind for kind, _ in modules]
    if kinds[:1] != ["Transformer"] or kinds[1:] not in (
        [],
        ["Normalize"],
        ["Pooling"],
        ["Pooling", "Normalize"],
    ):
        raise Refusal(
            BAD_DATA,
            f"{folder}/modules.json: the modules are {', '.join(kinds) or 'none'}; ferry applies a "
            "Transformer, then Pooling, then Normalize, and nothing else",
        )
    settings = SentenceSettings(transformer_folder=modules[0][1], normalize="Normalize" in kinds)
    if "Pooling" in kinds:
        settings.pooling = read_pooling(modules[1][1] / "config.json")
    prompts = read_json_object_if_there(folder / "config_sentence_transformers.json")
    settings.default_prompt = default_prompt_of(prompts)
    return with_length_file(settings)


def list_modules(folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    modules = read_json(folder / "modules.json")
    try:
        return [
            (module["type"].rsplit(".", 1)[-1], folder / module["path"])
            for module in sorted(modules, key=lambda module: module["idx"])
        ]
    except (TypeError, KeyError, AttributeError):
        raise Refusal(
            BAD_DATA, f"{folder}/modules.json: not a list of modules with idx, type and path"
        ) from None


def read_pooling(path: pathlib.Path) -> str:
    config = read_json_object(path)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [name for key, name in OLD_POOLING_KEYS.items() if config.get(key)]
    if isinstance(modes, str):
        modes = [modes]
    if len(modes) != 1 or modes[0] not in POOLING_NAMES:
        raise Refusal(
            BAD_DATA,
            f"{path}: pooling {' and '.join(map(str, modes)) or 'unset'}; "
            f"ferry has one of {', '.join(POOLING_NAMES)}",
        )
    return POOLING_NAMES[modes[0]]


def default_prompt_of(config: dict) -> str:
    prompts = config.get("prompts") or {}
    return prompts.get(config.get("default_prompt_name")) or ""


def with_length_file(settings: SentenceSettings) -> SentenceSettings:
    for name in LENGTH_FILES:
        config = read_json_object_if_there(settings.transformer_folder / name)
        if config:
            settings.max_length = config.get("max_seq_length")
            settings.lowercase = bool(config.get("do_lower_case"))
            break
    return settings
