#!/usr/bin/env python3
"""The engine's own tokens/s for a model directory and a file of texts: one JSON line per budget.

    run.py MODEL_DIR TEXTS [--budget 512,1024] [--repeat 3] [--mkl-intel-path 0] [--texts 2000]

TEXTS is one text a line. engine_bench does the measuring; this tokenizes and passes the manifest on.
"""

import argparse
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", type=pathlib.Path)
    parser.add_argument("--build", default=os.environ.get("FERRY_BUILD_DIR", ROOT / "build"),
                        type=pathlib.Path)
    parser.add_argument("--budget", default="512,1024,2048,4096")
    parser.add_argument("--repeat", default="3")
    parser.add_argument("--workers", default="0")
    parser.add_argument("--mkl-intel-path", default="1")
    parser.add_argument("--count", type=int, default=2000, help="texts, the first of the file")
    options = parser.parse_args()
    texts = [line for line in options.texts.read_text().splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        arguments = engine_files.arguments_from_manifest(options.model, f"{folder}/golden")
        length = int(arguments[arguments.index("--max-length") + 1])
        engine_files.write_sequences(
            f"{folder}/sequences", tokenize(options.model, texts[:options.count], length))
        for budget in options.budget.split(","):
            subprocess.run(
                [options.build / "engine_bench", "--engine", options.build / "libferry_torch.so",
                 *arguments, "--sequences", f"{folder}/sequences", "--budget", budget,
                 "--repeat", options.repeat, "--workers", options.workers,
                 "--mkl-intel-path", options.mkl_intel_path], check=True)


if __name__ == "__main__":
    main()
