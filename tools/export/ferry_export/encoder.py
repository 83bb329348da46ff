"""Loads an encoder of the BERT family and says which inputs its trace takes."""

import inspect
import pathlib

from .json_file import read_json_object
from .refusal import BAD_DATA, NO_INPUT, Refusal

# Encoders whose tokenizer is WordPiece and whose first output is the last hidden state. Checked by
# tests/parity/test_export.py.
ENCODER_TYPES = ("bert", "distilbert", "electra", "mobilebert", "mpnet")
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# The argument of the model's forward, and the kind of input in the manifest.
INPUT_KINDS = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "type_ids"}


def check_model_files(folder: pathlib.Path) -> None:
    """Raises Refusal before anything slow is done."""
    config = read_json_object(folder / "config.json")
    kind = config.get("model_type")
    if kind not in ENCODER_TYPES:
        raise Refusal(
            BAD_DATA,
            f"{folder}/config.json: model_type is {kind}; "
            f"the task embed takes an encoder: {', '.join(ENCODER_TYPES)}",
        )
    if config.get("is_decoder") or config.get("is_encoder_decoder"):
        raise Refusal(BAD_DATA, f"{folder}/config.json: a decoder; the task embed takes an encoder")
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        raise Refusal(
            NO_INPUT, f"{folder}: no weights: one of {', '.join(WEIGHT_FILES)} has to be there"
        )


def load_encoder(folder: pathlib.Path, device: str):
    """The model in float32, ready for inference. Missing or misshapen weights are an error."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # the library raises many kinds for a file that it cannot use
        raise Refusal(BAD_DATA, f"{folder}: transformers cannot load the model: {error}") from None
    missing = [name for name in report["missing_keys"] if not name.startswith("pooler.")]
    if missing:
        raise Refusal(
            BAD_DATA,
            f"{folder}: {len(missing)} weights are not in the file, such as {sorted(missing)[0]}; "
            "the model would compute with random numbers",
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # not part of the last hidden state, and 4 width² bytes of model.pt
    return model.eval().to(device)


def input_arguments(model) -> list[str]:
    """Names of the model's arguments, in the trace's positional order."""
    accepted = inspect.signature(model.forward).parameters
    names = [name for name in INPUT_KINDS if name in accepted]
    if "input_ids" not in names or "attention_mask" not in names:
        raise Refusal(
            BAD_DATA,
            f"{type(model).__name__} takes no attention mask: padding would change its results",
        )
    return names
