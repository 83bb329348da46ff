"""How much of the engine's own speed reaches the clients: tokens/s through the daemon against the
same engine fed directly, with the ids ready, all texts sorted by length, and the best budget.
"""

import random
import shutil
import tempfile
from pathlib import Path

import sample_texts
from engine import engine_speed
from daemon_process import BUILD_DIR, Daemon
from harness.load import embed_body, middle, middle_ratio, run_load, write_frames
from model_folders import minilm

ROUNDS = 7
TEXTS = 1000
TEXTS_OF_A_REQUEST = 10
BUDGETS = (512, 1024, 2048, 4096)


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


def run_engine(texts, budget):
    """The engine alone, once over all texts with this budget of tokens a batch."""
    return engine_speed.measure(BUILD_DIR, minilm(), texts, budget, repeat=1)


def best_budget(texts):
    """The budget at which the engine alone is fastest here: the daemon is measured against that."""
    runs = {budget: run_engine(texts, budget)["tokens_per_s"] for budget in BUDGETS}
    return max(runs, key=runs.get)


def measure_in(folder, count, rounds):
    texts = random.Random(12).sample(sample_texts.english(), count)
    budget = best_budget(texts)
    groups = [texts[i : i + TEXTS_OF_A_REQUEST] for i in range(0, count, TEXTS_OF_A_REQUEST)]
    frames = write_frames(folder / "frames", [embed_body(i, g) for i, g in enumerate(groups)])
    with Daemon([minilm()], ["--log-level", "warning"]) as daemon:
        tokens = count_tokens(daemon, texts)
        shape = {"requests": len(groups), "expect": "OK", "in_flight": len(groups)}
        run_load("zmq_load", daemon.endpoint, frames, **shape)
        through, alone = [], []
        for _ in range(rounds):
            alone.append(run_engine(texts, budget))
            seconds = run_load("zmq_load", daemon.endpoint, frames, **shape)["seconds"]
            through.append({"seconds": seconds, "tokens_per_s": tokens / seconds})
    ratio = middle_ratio(through, alone, "tokens_per_s")
    return {"texts": count, "tokens": tokens, "rounds": rounds, "budget": budget, "limit": 0.95, "ratio": ratio,
            "met": ratio >= 0.95, "daemon": middle(through, "tokens_per_s"),
            "engine": middle(alone, "tokens_per_s"),
            "daemon_rounds": through, "engine_rounds": alone}  # fmt: skip
