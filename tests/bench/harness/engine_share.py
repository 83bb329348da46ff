"""How much of the engine's own speed reaches the clients: tokens/s through the daemon against the
same engine fed directly, with the ids ready, all texts sorted by length, and the best budget.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import sample_texts
from daemon_process import BUILD_DIR, SOURCE_DIR, Daemon
from harness.load import embed_body, middle, middle_ratio, run_load, write_frames
from model_folders import minilm

ROUNDS = 7
TEXTS = 1000
TEXTS_OF_A_REQUEST = 10
BUDGETS = (512, 1024, 2048, 4096)
ENGINE_BENCH = SOURCE_DIR / "tests" / "bench" / "engine" / "run.py"


def measure(quick, rounds=None):
    folder = Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/tmp"))
    try:
        return measure_in(folder, 100 if quick else TEXTS, rounds or (2 if quick else ROUNDS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count_tokens(daemon, texts):
    """As the daemon itself counts them; also warms it up."""
    with daemon.client() as client:
        groups = [texts[i : i + 50] for i in range(0, len(texts), 50)]
        return sum(sum(client.embed(group)[1]["tokens"]) for group in groups)


def run_engine(texts_file, budget):
    """The engine alone, once over all texts with this budget of tokens a batch."""
    command = [sys.executable, ENGINE_BENCH, minilm(), texts_file, "--build", BUILD_DIR]
    command += ["--budget", str(budget), "--repeat", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise RuntimeError(f"{ENGINE_BENCH} failed: {result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def best_budget(texts_file):
    """The budget at which the engine alone is fastest here: the daemon is measured against that."""
    runs = {budget: run_engine(texts_file, budget)["tokens_per_s"] for budget in BUDGETS}
    return max(runs, key=runs.get)


def measure_in(folder, count, rounds):
    texts = random.Random(12).sample(sample_texts.english(), count)
    texts = [" ".join(text.split()) for text in texts]  # engine_bench takes one a line
    texts_file = folder / "texts"
    texts_file.write_text("\n".join(texts) + "\n")
    budget = best_budget(texts_file)
    groups = [texts[i : i + TEXTS_OF_A_REQUEST] for i in range(0, count, TEXTS_OF_A_REQUEST)]
    frames = write_frames(folder / "frames", [embed_body(i, g) for i, g in enumerate(groups)])
    with Daemon([minilm()], ["--log-level", "warning"]) as daemon:
        tokens = count_tokens(daemon, texts)
        shape = {"requests": len(groups), "expect": "OK", "in_flight": len(groups)}
        run_load("zmq_load", daemon.endpoint, frames, **shape)
        through, alone = [], []
        for _ in range(rounds):
            alone.append(run_engine(texts_file, budget))
            seconds = run_load("zmq_load", daemon.endpoint, frames, **shape)["seconds"]
            through.append({"seconds": seconds, "tokens_per_s": tokens / seconds})
    ratio = middle_ratio(through, alone, "tokens_per_s")
    return {"texts": count, "tokens": tokens, "rounds": rounds, "budget": budget, "limit": 0.95, "ratio": ratio,
            "met": ratio >= 0.95, "daemon": middle(through, "tokens_per_s"),
            "engine": middle(alone, "tokens_per_s"),
            "daemon_rounds": through, "engine_rounds": alone}  # fmt: skip
