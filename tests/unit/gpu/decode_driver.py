"""Drives decode_probe: a decoder through the C boundary, step by step, from Python."""

import json
import os
import pathlib
import subprocess

import engine_files

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", ROOT / "build"))

NOTHING, SAMPLE, SCORE = 0, 1, 2
GREEDY = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "penalty": 1, "seed": 0}


class DecodeProbe:
    """Options are those of engine_under_test, with underscores."""

    def __init__(self, model, golden=None, vocabulary=None, positions=None, **options):
        arguments = {
            "model": model, "inputs": "ids:int64", "output-shape": "logits", "traced-batch": 2,
            "traced-length": 64, "max-length": positions, "width": vocabulary,
            "vocabulary-size": vocabulary, "pad-id": 0, "tolerance": "1e-4",
        }  # fmt: skip
        if golden is not None:
            path = pathlib.Path(model).parent / "golden"
            engine_files.write_golden(path, [(ids, [0] * len(ids), row) for ids, row in golden])
            arguments["golden"] = path
        arguments |= {name.replace("_", "-"): value for name, value in options.items()}
        command = [BUILD / "decode_probe", "--engine", BUILD / "libferry_torch.so"]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.info = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def step(self, entries):
        """The whole answer; entries come from nothing(), sample() and score()."""
        return self.ask("\n".join([f"step {len(entries)}", *entries]))

    def run(self, entries):
        """The entries' answers; the step must succeed."""
        answer = self.step(entries)
        assert answer["status"] == "OK", answer["text"]
        return answer["entries"]

    def release(self, slot):
        self.process.stdin.write(f"release {slot}\n")

    def memory(self):
        return self.ask("memory")["resident_kib"]


def entry(slot, ids, cached, wanted, top=0, targets=(), **sampling):
    s = GREEDY | sampling
    numbers = [slot, cached, len(ids), wanted, top, s["temperature"], s["top_k"], s["top_p"],
               s["min_p"], s["penalty"], s["seed"], *ids, *targets]  # fmt: skip
    return " ".join(str(number) for number in numbers)


def nothing(slot, ids, cached=0):
    return entry(slot, ids, cached, NOTHING)


def sample(slot, ids, cached=0, top=0, **sampling):
    return entry(slot, ids, cached, SAMPLE, top, **sampling)


def score(slot, ids, cached=0, targets=None, top=0):
    """Without targets: each token's successor, nothing after the last."""
    if targets is None:
        targets = [*ids[cached + 1 :], -1]
    return entry(slot, ids, cached, SCORE, top, targets)
