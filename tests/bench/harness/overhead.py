"""What the daemon adds to ZeroMQ itself: ferryd with the fake engine against a bare ROUTER echo.

Both get the same requests (one text of 60 bytes, all different) and answer with as many bytes
(384 floats and what belongs to them); both share the same cores with the same load generator.
"""

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import sample_texts
from daemon_process import Daemon, program
from harness.load import embed_body, middle, middle_ratio, run_load, write_frames
from model_folders import make_fake

TEXT_BYTES = 60
ROUNDS = 7
# (requests in flight, requests of a round, key of the result, wanted)
CASES = (
    {"in_flight": 1, "requests": 4000, "key": "p50_us", "limit": 2.2, "wanted": "at most"},
    {
        "in_flight": 512,
        "requests": 30000,
        "key": "requests_per_s",
        "limit": 0.30,
        "wanted": "at least",
    },
)


def short_texts(count):
    """English words of exactly 60 bytes, no two alike."""
    generator = random.Random(11)
    words = sorted({w for t in sample_texts.english()[:2000] for w in t.split() if w.isascii()})
    texts = set()
    while len(texts) < count:
        texts.add(" ".join(generator.sample(words, 20))[:TEXT_BYTES])
    return sorted(texts)


class Echo:
    """router_echo: receives, answers with a fixed number of bytes, does nothing else."""

    def __init__(self, folder, reply_bytes):
        self.endpoint = f"ipc://{folder}/echo.sock"
        self.process = subprocess.Popen([program("router_echo"), self.endpoint, str(reply_bytes)])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(10)


def measure(quick, rounds=None):
    folder = Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/tmp"))
    try:
        return measure_in(folder, 0.05 if quick else 1.0, rounds or (2 if quick else ROUNDS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_in(folder, scale, rounds):
    bodies = [embed_body(10_000 + i, [t]) for i, t in enumerate(short_texts(40000))]
    frames = write_frames(folder / "short.frames", bodies)
    with Daemon([make_fake(folder / "fake")], ["--log-level", "warning"]) as daemon:
        reply_bytes = run_load("zmq_load", daemon.endpoint, frames, 10, "OK")["reply_bytes"]
        with Echo(folder, reply_bytes) as echo:
            cases = [measure_case(case, daemon, echo, frames, scale, rounds) for case in CASES]
    return {"text_bytes": TEXT_BYTES, "request_bytes": len(bodies[0]), "reply_bytes": reply_bytes,
            "rounds": rounds, "cases": cases}  # fmt: skip


def measure_case(case, daemon, echo, frames, scale, rounds):
    requests = max(200, int(case["requests"] * scale))
    shape = {"in_flight": case["in_flight"], "warm_up": max(100, requests // 4)}
    ferry, bare = [], []
    for _ in range(rounds):
        bare.append(run_load("zmq_load", echo.endpoint, frames, requests, "", **shape))
        ferry.append(run_load("zmq_load", daemon.endpoint, frames, requests, "OK", **shape))
    key = case["key"]
    ratio = middle_ratio(ferry, bare, key)
    met = ratio <= case["limit"] if case["wanted"] == "at most" else ratio >= case["limit"]
    return {**case, "ferry": middle(ferry, key), "echo": middle(bare, key), "ratio": ratio, "met": met,
            "ferry_rounds": ferry, "echo_rounds": bare}  # fmt: skip
