"""The tokenizers against their peers: runs tests/bench/tokenizer/run."""

import json
import subprocess
import tempfile
from pathlib import Path

from daemon_process import SOURCE_DIR

ROUNDS = 7


def measure(quick, rounds=None):
    """WordPiece."""
    return run([], quick, rounds)


def measure_byte_level(quick, rounds=None):
    return run(["byte-level"], quick, rounds)


def run(kind, quick, rounds):
    rounds = rounds or (2 if quick else ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [SOURCE_DIR / "tests" / "bench" / "tokenizer" / "run", *kind]
        subprocess.run(
            [*command, "--rounds", str(rounds), "--json", path], check=True, timeout=1800
        )
        return {"rounds": rounds, **json.loads(path.read_text())}
