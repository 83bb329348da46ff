"""Finds and loads a GPT-2: from a Hugging Face directory, or from a config.json alone."""

import dataclasses
import pathlib

from .encoder import WEIGHT_FILES
from .json_file import read_json_object, read_json_object_if_there
from .model_source import find_model
from .refusal import BAD_DATA, NO_INPUT, Refusal

CAUSAL_TYPES = ("gpt2",)
WITH_HEAD = "GPT2LMHeadModel"
MOST_END_IDS = 16
# Weights that transformers would not read here. Beside them a config.json is not alone.
OTHER_WEIGHTS = (
    ".safetensors",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".msgpack",
    ".gguf",
    ".onnx",
)


@dataclasses.dataclass
class CausalSource:
    folder: pathlib.Path  # where generation_config.json and the tokenizer are looked for
    config_file: pathlib.Path
    random_weights: bool


def find_causal_source(name: str, revision: str | None) -> CausalSource:
    """Raises Refusal before anything slow is done."""
    path = pathlib.Path(name).expanduser()
    if path.is_file() and path.suffix == ".json":
        path = path.resolve()
        source = CausalSource(path.parent, path, random_weights=True)
    else:
        folder = find_model(name, revision)
        source = CausalSource(folder, folder / "config.json", not has_weights(folder))
    check_config(source.config_file)
    return source


def has_weights(folder: pathlib.Path) -> bool:
    if any((folder / name).is_file() for name in WEIGHT_FILES):
        return True
    others = sorted(path.name for path in folder.iterdir() if path.suffix in OTHER_WEIGHTS)
    if others:
        raise Refusal(
            NO_INPUT,
            f"{folder}: none of {', '.join(WEIGHT_FILES)} is there, but {others[0]} is; convert the "
            "weights with transformers (save_pretrained), or give the path of config.json itself "
            "for random weights",
        )
    return False


def check_config(path: pathlib.Path) -> None:
    config = read_json_object(path)
    kind = config.get("model_type")
    if kind not in CAUSAL_TYPES:
        raise Refusal(
            BAD_DATA,
            f"{path}: model_type is {kind}; the tasks score and generate take: "
            f"{', '.join(CAUSAL_TYPES)}",
        )
    architectures = config.get("architectures") or [WITH_HEAD]
    if WITH_HEAD not in architectures:
        raise Refusal(
            BAD_DATA,
            f"{path}: architectures is {', '.join(map(str, architectures))}, a GPT-2 without the "
            f"head that gives logits over the vocabulary; score and generate take a {WITH_HEAD}: "
            f"load the model as one and save it again",
        )
    if config.get("add_cross_attention"):
        raise Refusal(BAD_DATA, f"{path}: add_cross_attention: the decoder of a pair of models")


def load_causal_model(source: CausalSource, seed: int, report):
    """The model in float32, ready for inference."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        model = random_model(source, seed) if source.random_weights else stored_model(source)
    except Refusal:
        raise
    except Exception as error:  # the library raises many kinds for a file that it cannot use
        raise Refusal(
            BAD_DATA, f"{source.config_file}: transformers cannot make the model: {error}"
        ) from None
    if source.random_weights:
        report(
            f"RANDOM WEIGHTS: {source.config_file} stands alone, so the weights are random numbers "
            f"of seed {seed}; what this model writes means nothing"
        )
    check_vocabulary_sizes(model, source)
    return model.eval()


def random_model(source: CausalSource, seed: int):
    import torch
    import transformers

    config = transformers.GPT2Config.from_json_file(source.config_file)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.GPT2LMHeadModel(config)


def stored_model(source: CausalSource):
    import torch
    import transformers

    model, loaded = transformers.GPT2LMHeadModel.from_pretrained(
        source.folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise Refusal(
            BAD_DATA,
            f"{source.folder}: {len(missing)} weights are not in the file, such as {missing[0]}; "
            "the model would compute with random numbers",
        )
    return model


def check_vocabulary_sizes(model, source: CausalSource) -> None:
    rows, columns = model.get_input_embeddings().weight.shape[0], model.lm_head.weight.shape[0]
    if rows != columns:
        raise Refusal(
            BAD_DATA,
            f"{source.config_file}: {rows} ids go in and {columns} come out; ferry feeds tokens "
            "back, so both have to be the same",
        )


def special_ids(folder: pathlib.Path, config, vocabulary_size: int, report) -> dict:
    """begin_id, if there is one, and end_ids, as the manifest names them."""
    generation = read_json_object_if_there(folder / "generation_config.json")
    begin = first_known(generation.get("bos_token_id"), config.bos_token_id)
    end = first_known(generation.get("eos_token_id"), config.eos_token_id)
    ends = list(dict.fromkeys(end)) if isinstance(end, list) else [end]
    if len(ends) > MOST_END_IDS:
        raise Refusal(
            BAD_DATA, f"{folder}: {len(ends)} values of eos_token_id; ferry takes {MOST_END_IDS}"
        )
    facts = {}
    if is_token(begin, vocabulary_size, "bos_token_id", report):
        facts["begin_id"] = begin
    facts["end_ids"] = [
        one for one in ends if is_token(one, vocabulary_size, "eos_token_id", report)
    ]
    return facts


def first_known(*values):
    return next((value for value in values if value is not None), None)


def is_token(value, vocabulary_size: int, name: str, report) -> bool:
    if value is None:
        return False
    if isinstance(value, int) and 0 <= value < vocabulary_size:
        return True
    report(f"note: {name} {value} is left out: the model has ids below {vocabulary_size}")
    return False


def pad_id_of(config, vocabulary_size: int) -> int:
    """Any id will do on the right of a causal model: nothing before it sees it."""
    pad = config.pad_token_id
    return pad if isinstance(pad, int) and 0 <= pad < vocabulary_size else 0
