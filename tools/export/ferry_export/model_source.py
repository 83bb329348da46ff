"""Finds the folder that a model's name stands for: a path, or a repository of the Hugging Face hub."""

import os
import pathlib

from .refusal import NO_INPUT, UNAVAILABLE, Refusal

# Only what an export reads; a repository often holds the same weights in five other formats.
HUB_FILES = [
    "*.json",
    "vocab.txt",
    "merges.txt",
    "*.tiktoken",
    "*.safetensors",
    "pytorch_model*.bin",
    "*/config.json",
]


def looks_like_a_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or name.endswith("/") or name.count("/") > 1


def find_model(name: str, revision: str | None) -> pathlib.Path:
    """The local folder of the model, fetched from the hub where it is no folder."""
    folder = pathlib.Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise Refusal(
            NO_INPUT,
            f"{name}: is a file; give the Hugging Face directory with config.json "
            "(a trace that exists already needs no export: give it to ferryd)",
        )
    if looks_like_a_path(name):
        raise Refusal(NO_INPUT, f"{name}: no such directory")
    return fetch_from_hub(name, revision)


def fetch_from_hub(name: str, revision: str | None) -> pathlib.Path:
    import huggingface_hub
    from huggingface_hub import errors

    nowhere = f"{name}: no such directory"
    try:
        return pathlib.Path(
            huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=HUB_FILES)
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        raise Refusal(
            NO_INPUT,
            f"{nowhere}, and the Hugging Face hub has no such model (or it is private: "
            "set HF_TOKEN)",
        ) from None
    except errors.LocalEntryNotFoundError:
        offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
        reason = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        raise Refusal(
            UNAVAILABLE, f"{nowhere}, it is not in the hub's local cache, and {reason}"
        ) from None
    except (OSError, errors.HfHubHTTPError) as error:
        raise Refusal(UNAVAILABLE, f"{nowhere}, and the hub did not deliver it: {error}") from None
