"""A GPT-2 of 124 million random weights, exported once: real ones cannot be had without the network, and
speed does not depend on their values."""

import json
import subprocess
import sys

from daemon_process import SOURCE_DIR

VOCABULARY = 50257
CONFIG = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": VOCABULARY,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
}


def random_gpt2():
    """Its model directory, below models/."""
    folder = SOURCE_DIR / "models" / "gpt2-random"
    if not (folder / "ferry.json").exists():
        config = SOURCE_DIR / "models" / "gpt2-random-config" / "config.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(CONFIG))
        exporter = SOURCE_DIR / "tools" / "export" / "ferry-export"
        subprocess.run(
            [sys.executable, exporter, config, "--task", "generate", "-o", folder, "--overwrite"],
            check=True,
            timeout=900,
        )
    return folder
