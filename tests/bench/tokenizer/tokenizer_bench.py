"""Tokenizer speed on one thread: ferry (from C), nanotoken and Hugging Face tokenizers take turns,
round by round, in one run on one core; the median of the rounds counts.

What is compared, honestly: ferry is called once per text from C and gives ids, type ids and masks
that the caller reads in place. nanotoken is called from Python once per corpus and gives numpy
arrays of ids; that call's own overhead is in its figure (some 0.1 us a text). Hugging Face's
encode_batch_fast, without offsets, is called once per corpus. "Cold" is the first pass of a new
session with the vocabulary loaded; for nanotoken that of a new tokenizer with its cache cleared.
Times are of the processor (user and system): on a quiet machine the same as the clock's."""

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import nanotoken
from tokenizers import Tokenizer

import bench_corpora

sys.path.insert(0, str(bench_corpora.ROOT / "tests" / "parity"))
import tokenizer_models  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", bench_corpora.ROOT / "build"))
TARGETS = (
    {  # issue 3, "Must show" 4: corpus -> (ferry warm / nanotoken warm, cold / cold, warm / HF)
        "fortunes": (1.2, 1.0, None),
        "documentation": (1.2, 1.0, None),
        "ten scripts": (1.0, None, 5.0),
    }
)
WARM_SECONDS = 0.05  # a timed warm round lasts at least this long


class Ferry:
    """The program tokenizer_bench; see tokenizer_bench.c for its commands."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [BUILD / "tokenizer_bench", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"tokenizer_bench died at {command!r}")
        return [int(number) for number in line.split()]

    def corpus(self, texts):
        with tempfile.NamedTemporaryFile(suffix=".corpus") as file:
            for text in texts:
                data = text.encode()
                file.write(struct.pack("<I", len(data)) + data)
            file.flush()
            return self.ask(f"corpus {file.name}")

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=30) != 0:
            raise RuntimeError("tokenizer_bench failed")


def hash_ids(rows):
    value = 0
    for row in rows:
        for number in row:
            value = (value * 1000003 + int(number)) & 0xFFFFFFFFFFFFFFFF
    return value


def seconds_of(action):
    """Time of the processor, user and system, as on the side of C."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def summary(samples):
    return {
        "median": statistics.median(samples),
        "min": min(samples),
        "max": max(samples),
        "rounds": len(samples),
    }


class CorpusBench:
    def __init__(self, ferry, texts, folder, hugging_face):
        self.ferry = ferry
        self.texts = texts
        self.json_path = str(folder / "tokenizer.json")
        self.hugging_face = hugging_face
        count, self.bytes = ferry.corpus(texts)
        assert count == len(texts)
        self.passes = 1
        self.nanotoken_warm = nanotoken.Tokenizer(self.json_path)

    def check_equal(self):
        """The same ids from ferry and nanotoken, before anything is timed."""
        ours = self.ferry.ask("hash")[0]
        theirs = hash_ids(self.nanotoken_warm.encode_batch(self.texts, parallel=False).to_list())
        if ours != theirs:
            raise RuntimeError("ferry and nanotoken give different ids: no point in timing them")

    def prepare(self):
        self.ferry.ask("cold")
        once = self.ferry.ask("warm 1")[0] / 1e9
        self.passes = max(1, round(WARM_SECONDS / once))

    def ferry_cold(self):
        return self.ferry.ask("cold")[0] / 1e9

    def ferry_warm(self):
        return self.ferry.ask(f"warm {self.passes}")[0] / 1e9 / self.passes

    def nanotoken_cold(self):
        fresh = nanotoken.Tokenizer(self.json_path)
        fresh.clear_cache()
        return seconds_of(lambda: fresh.encode_batch(self.texts, parallel=False))

    def nanotoken_again(self):
        def passes():
            for _ in range(self.passes):
                self.nanotoken_warm.encode_batch(self.texts, parallel=False)

        return seconds_of(passes) / self.passes

    def hugging_face_fast(self):
        return seconds_of(lambda: self.hugging_face.encode_batch_fast(self.texts))

    def run(self, rounds, hugging_face_rounds):
        self.check_equal()
        self.prepare()
        sides = {
            "ferry cold": self.ferry_cold,
            "ferry warm": self.ferry_warm,  # after a cold pass of the same session
            "nanotoken cold": self.nanotoken_cold,
            "nanotoken warm": self.nanotoken_again,
            "Hugging Face": self.hugging_face_fast,
        }
        samples = {name: [] for name in sides}
        for number in range(rounds):
            for name, action in sides.items():
                if name == "Hugging Face" and number >= hugging_face_rounds:
                    continue
                samples[name].append(self.bytes / 1e6 / action())
        return {name: summary(values) for name, values in samples.items()}


def corpus_rows(arguments, ferry, folder, hugging_face):
    corpora = {
        "fortunes": bench_corpora.fortunes(),
        "documentation": bench_corpora.documentation(),
        "ten scripts": bench_corpora.ten_scripts(),
    }
    corpora |= {name: bench_corpora.script(name) for name in bench_corpora.TEN_SCRIPTS}
    rows = {}
    for name, texts in corpora.items():
        bench = CorpusBench(ferry, texts, folder, hugging_face)
        rounds_of_reference = (
            arguments.rounds if bench.bytes < 4_000_000 else min(3, arguments.rounds)
        )
        figures = bench.run(arguments.rounds, rounds_of_reference)
        rows[name] = {"texts": len(texts), "bytes": bench.bytes, "MB/s": figures}
        print_corpus(name, rows[name])
    return rows


def ratios(figures):
    median = {name: values["median"] for name, values in figures.items()}
    return {
        "warm/nanotoken": median["ferry warm"] / median["nanotoken warm"],
        "cold/nanotoken": median["ferry cold"] / median["nanotoken cold"],
        "warm/Hugging Face": median["ferry warm"] / median["Hugging Face"],
    }


def print_corpus(name, row):
    figures = row["MB/s"]
    cells = [f"{figures[key]['median']:8.1f}" for key in figures]
    compared = [f"{value:6.2f}" for value in ratios(figures).values()]
    mean = row["bytes"] / row["texts"]
    print(
        f"{name:14} {row['bytes'] / 1e6:6.2f} {mean:6.0f} {' '.join(cells)}  {' '.join(compared)}",
        flush=True,
    )


def linear_texts(size):
    rng = random.Random(1)
    letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size))
    return {
        "one letter": "a" * size,
        "letters, no spaces": letters,
        "one Han character": "中" * (size // 3),
        "one accented letter": "é" * (size // 2),
        "combining marks": "e" + "\u0301" * (size // 2),
        "marks of two classes": "e" + "\u0301\u0323" * (size // 4),
        "one Hangul syllable": "각" * (size // 3),
        "brackets": "[" * size,
        "nearly special": "[SEP" * (size // 4),
        "special tokens": "[SEP]" * (size // 5),
        "full stops": "." * size,
        "spaces": " " * size,
        "removed characters": "\u200b" * (size // 3),
        "words": "the quick brown fox " * (size // 20),
    }


def linearity(ferry, arguments):
    """Nanoseconds a byte at growing sizes: flat when the time is linear."""
    sizes = (65_536, 262_144, 1_048_576, 4_194_304)
    table = {}
    for size in sizes:
        for name, text in linear_texts(size).items():
            ferry.corpus([text])
            calls = max(1, 1_048_576 // size)
            samples = [ferry.ask(f"long 0 right 1 {calls}") for _ in range(arguments.rounds)]
            table.setdefault(name, []).append(
                statistics.median(s[0] / calls / s[4] for s in samples)
            )
    return {"sizes": sizes, "ns_per_byte": table}


def limit_costs(ferry, arguments):
    """Time of one call with a limit of 128 tokens, for a text at the limit and longer ones."""
    rows = {}
    # 14 tokens nine times, with [CLS] and [SEP]: exactly the limit
    at_limit = "time flies like an arrow but fruit flies like a ripe yellow banana; " * 9
    for side in ("right", "left"):
        samples = {factor: [] for factor in (1, 10, 100)}
        for _ in range(max(arguments.rounds, 7)):
            for factor in samples:
                ferry.corpus([at_limit])
                calls = 2000 if side == "right" else 200
                answer = ferry.ask(f"long 128 {side} {factor} {calls}")
                samples[factor].append((answer[0] / calls / 1000, *answer[1:]))
        rows[side] = {
            factor: {
                "microseconds": statistics.median(s[0] for s in values),
                "tokens": values[0][1],
                "truncated": bool(values[0][2]),
                "bytes_read": values[0][3],
                "bytes": values[0][4],
            }
            for factor, values in samples.items()
        }
    return rows


def judge(rows, linear, limits):
    """(what, value, needed, reached) for every target."""
    verdicts = []
    for corpus, needed in TARGETS.items():
        for (what, value), target in zip(ratios(rows[corpus]["MB/s"]).items(), needed):
            if target is not None:
                verdicts.append((f"{corpus}: ferry {what}", value, f">= {target}", value >= target))
    for name, costs in linear["ns_per_byte"].items():
        growth = costs[2] / costs[0]
        verdicts.append((f"1 MiB of {name}: ns/byte against 64 KiB", growth, "<= 2", growth <= 2))
    right = limits["right"]
    growth = right[100]["microseconds"] / right[1]["microseconds"]
    verdicts.append(("100x over the limit, against at the limit", growth, "<= 1.1", growth <= 1.1))
    cut = right[100]["truncated"] and not right[1]["truncated"] and right[1]["tokens"] == 128
    verdicts.append(("the reply says that it was cut", float(cut), "1", cut))
    return verdicts


def processor():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def print_rest(linear, limits, verdicts):
    print(f"\nns/byte at sizes {', '.join(str(size) for size in linear['sizes'])}")
    for name, costs in linear["ns_per_byte"].items():
        print(f"{name:24} " + " ".join(f"{cost:8.2f}" for cost in costs))
    print("\nlimit 128: microseconds a call, bytes read of bytes given")
    for side, row in limits.items():
        for factor, values in row.items():
            print(f"{side:6} {factor:4}x {values['microseconds']:9.2f} {values['bytes_read']:8} of {values['bytes']:8}"
                  f" truncated={values['truncated']}")  # fmt: skip
    print()
    for what, value, needed, reached in verdicts:
        print(f"{'ok  ' if reached else 'MISS'} {what}: {value:.2f} (needed {needed})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=7, help="timed rounds of each side (default 7)"
    )
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    parser.add_argument("--require", action="store_true", help="exit 1 when a target is missed")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it: all on one core
    folder = tokenizer_models.minilm_folder()
    hugging_face = Tokenizer.from_file(str(folder / "tokenizer.json"))
    hugging_face.no_padding()
    hugging_face.no_truncation()
    ferry = Ferry(folder)
    print(f"{processor()}, one core, median of {arguments.rounds} interleaved rounds, MB/s\n")
    print(f"{'corpus':14} {'MB':>6} {'B/text':>6} {'f.cold':>8} {'f.warm':>8} {'n.cold':>8} {'n.warm':>8} {'HF':>8}"
          f"  {'w/n.w':>6} {'c/n.c':>6} {'w/HF':>6}")  # fmt: skip
    rows = corpus_rows(arguments, ferry, folder, hugging_face)
    linear = linearity(ferry, arguments)
    limits = limit_costs(ferry, arguments)
    ferry.close()
    verdicts = judge(rows, linear, limits)
    print_rest(linear, limits, verdicts)
    if arguments.json:
        result = {"processor": processor(), "corpora": rows, "linearity": linear, "limits": limits}
        result["targets"] = [
            dict(zip(("what", "value", "needed", "reached"), row)) for row in verdicts
        ]
        arguments.json.write_text(json.dumps(result, indent=1))
    return 1 if arguments.require and not all(row[3] for row in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
