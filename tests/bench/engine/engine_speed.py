#!/usr/bin/env python3
"""The engine's own tokens/s for a model directory and a file of texts: one JSON line per budget.

    engine_speed.py MODEL_DIR TEXTS [--budget 512,1024] [--repeat 3] [--mkl-intel-path 0]

TEXTS is one text a line. engine_bench does the measuring; this tokenizes and passes the manifest on.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/gpu"))

import engine_files  # noqa: E402


def tokenize(folder, texts, length):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=length)
    return [(encoding.ids, encoding.type_ids) for encoding in tokenizer.encode_batch(texts)]


def measure(build, model, texts, budget, repeat=3, workers=0, mkl_intel_path=1):
    """What engine_bench prints, as a dictionary; workers 0: as many as the engine suggests."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = engine_files.arguments_from_manifest(model, f"{folder}/golden")
        length = int(arguments[arguments.index("--max-length") + 1])
        engine_files.write_sequences(f"{folder}/sequences", tokenize(model, texts, length))
        result = subprocess.run(
            [f"{build}/engine_bench", "--engine", f"{build}/libferry_torch.so", *arguments,
             "--sequences", f"{folder}/sequences", "--budget", str(budget),
             "--repeat", str(repeat), "--workers", str(workers),
             "--mkl-intel-path", str(mkl_intel_path)],
            check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
        return json.loads(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", type=pathlib.Path)
    parser.add_argument("--build", default=os.environ.get("FERRY_BUILD_DIR", ROOT / "build"))
    parser.add_argument("--budget", default="512,1024,2048,4096")
    parser.add_argument("--repeat", default=3, type=int)
    parser.add_argument("--workers", default=0, type=int)
    parser.add_argument("--mkl-intel-path", default=1, type=int)
    parser.add_argument("--count", type=int, default=2000, help="texts, the first of the file")
    options = parser.parse_args()
    texts = [line for line in options.texts.read_text().splitlines() if line.strip()]
    for budget in options.budget.split(","):
        print(
            json.dumps(
                measure(
                    options.build,
                    options.model,
                    texts[: options.count],
                    budget,
                    options.repeat,
                    options.workers,
                    options.mkl_intel_path,
                )
            )
        )


if __name__ == "__main__":
    main()
