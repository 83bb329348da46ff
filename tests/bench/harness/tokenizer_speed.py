"""The tokenizer against nanotoken and Hugging Face tokenizers: runs tests/bench/tokenizer/run."""

import json
import subprocess
import tempfile
from pathlib import Path

from daemon_process import SOURCE_DIR

ROUNDS = 7


def measure(quick, rounds=None):
    rounds = rounds or (2 if quick else ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [SOURCE_DIR / "tests" / "bench" / "tokenizer" / "run"]
        subprocess.run([*command, "--rounds", str(rounds), "--json", path], check=True, timeout=900)
        return {"rounds": rounds, **json.loads(path.read_text())}
