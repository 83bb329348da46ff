"""Puts ferry.json together: the facts of docs/model-directory.md."""

import json
import pathlib

from . import EXPORTER_VERSION
from .encoder import INPUT_KINDS
from .model_directory import MANIFEST_NAME, file_facts
from .tracing import Shape

FORMAT = "ferry-model/1"


def input_facts(argument_names: list[str]) -> list[dict]:
    return [{"kind": INPUT_KINDS[name], "dtype": "int64"} for name in argument_names]


def versions() -> dict[str, str]:
    import tokenizers
    import torch
    import transformers

    return {
        "ferry": EXPORTER_VERSION,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def build_manifest(
    *,
    name: str,
    argument_names: list[str],
    pooling: str,
    normalize: bool,
    width: int,
    traced: Shape,
    vocabulary_size: int,
    pad_id: int,
    tokenizer_overrides: dict,
    tolerance: float,
    rows: list[dict],
) -> dict:
    return {
        "format": FORMAT,
        "name": name,
        "task": "embed",
        "engine": "torch",
        "inputs": input_facts(argument_names),
        "output": {"index": 0, "shape": "tokens"},
        "pooling": pooling,
        "normalize": normalize,
        "width": width,
        "traced": {"batch": traced.batch, "length": traced.length},
        "max_length": traced.length,
        "vocabulary_size": vocabulary_size,
        "pad_id": pad_id,
        "tokenizer": tokenizer_overrides,
        "golden": {"tolerance": tolerance, "rows": rows},
        "made_by": versions(),
    }


def build_causal_manifest(chosen, default_name: str, facts, traced: Shape, rows, **changes) -> dict:
    """Of a model that gives logits. changes: what is otherwise when model.pt holds a sampler too."""
    return {
        "format": FORMAT,
        "name": chosen.name or default_name,
        "task": chosen.task,
        "engine": "torch",
        "inputs": [{"kind": "ids", "dtype": "int64"}],
        "output": {"index": 0, "shape": "logits"},
        "pooling": "none",
        "normalize": False,
        "width": facts.vocabulary_size,
        "traced": {"batch": traced.batch, "length": traced.length},
        "max_length": facts.max_length,
        "vocabulary_size": facts.vocabulary_size,
        "pad_id": facts.pad_id,
        **facts.special,
        **changes,
        "tokenizer": {},
        "golden": {"tolerance": chosen.tolerance, "rows": rows},
        "made_by": versions(),
    }


def write_manifest(folder: pathlib.Path, manifest: dict) -> None:
    """Adds the digests of everything that is in the folder, and writes the file last."""
    files = {path.name: file_facts(path) for path in sorted(folder.iterdir())}
    text = manifest_text({**manifest, "files": files})
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def manifest_text(manifest: dict) -> str:
    """One line a fact, and one a golden row: a file that people can read and compare."""

    def line(value) -> str:
        return json.dumps(value, ensure_ascii=False)

    golden = manifest["golden"]
    rows = ",\n    ".join(line(row) for row in golden["rows"])
    facts = [f"  {line(key)}: {line(value)}" for key, value in manifest.items() if key != "golden"]
    facts.append(
        f'  "golden": {{"tolerance": {line(golden["tolerance"])}, "rows": [\n    {rows}\n  ]}}'
    )
    return "{\n" + ",\n".join(facts) + "\n}\n"
