"""Byte-level BPE with GPT-2's vocabulary: ferry against gigatoken, tiktoken and Hugging Face
tokenizers, on the same texts in the same run, everything on one core and one thread, in turns.

Warm: the texts were encoded before by the same session or tokenizer. Cold: a new session, and a new
tokenizer of gigatoken's; tiktoken and Hugging Face have no such difference worth the name (Hugging
Face has a cache, which is warm). Python's side of each batch call is in its time, as in ferry's the
C calls, one for each text. Times are of the processor: on a quiet machine the same as the clock's.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

import gigatoken
import tiktoken
from tokenizers import Tokenizer

import bench_corpora
from tokenizer_bench import WARM_SECONDS, Ferry, hash_ids, processor, seconds_of, summary

sys.path.insert(0, str(bench_corpora.ROOT / "tests" / "parity"))
import tokenizer_gpt2  # noqa: E402

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SIDES = ("ferry cold", "ferry warm", "gigatoken cold", "gigatoken warm", "tiktoken", "Hugging Face")
RATIOS = {
    "warm/gigatoken": ("ferry warm", "gigatoken warm", 1.2),
    "cold/gigatoken": ("ferry cold", "gigatoken cold", 1.0),
    "warm/tiktoken": ("ferry warm", "tiktoken", 5.0),
    "cold/tiktoken": ("ferry cold", "tiktoken", None),
    "warm/Hugging Face": ("ferry warm", "Hugging Face", None),
}


class CorpusBench:
    def __init__(self, ferry, texts, path, hugging_face, encoding):
        self.ferry, self.texts, self.path = ferry, texts, path
        self.hugging_face, self.encoding = hugging_face, encoding
        count, self.bytes = ferry.corpus(texts)
        assert count == len(texts)
        self.gigatoken = gigatoken.Tokenizer(path)
        self.ferry.ask("cold")
        self.passes = max(1, round(WARM_SECONDS / (self.ferry.ask("warm 1")[0] / 1e9)))

    def check_equal(self):
        """The same ids from all, before anything is timed."""
        ours = self.ferry.ask("hash")[0]
        rows = self.gigatoken.encode_batch_list(self.texts, parallel=False)
        if ours != hash_ids(rows) or rows != [self.encoding.encode_ordinary(t) for t in self.texts]:
            raise RuntimeError("the tokenizers give different ids: no point in timing them")

    def gigatoken_cold(self):
        fresh = gigatoken.Tokenizer(self.path)
        return seconds_of(lambda: fresh.encode_batch(self.texts, parallel=False))

    def gigatoken_warm(self):
        def passes():
            for _ in range(self.passes):
                self.gigatoken.encode_batch(self.texts, parallel=False)

        return seconds_of(passes) / self.passes

    def run(self, rounds, slow_rounds):
        self.check_equal()
        actions = {
            "ferry cold": lambda: self.ferry.ask("cold")[0] / 1e9,
            "ferry warm": lambda: self.ferry.ask(f"warm {self.passes}")[0] / 1e9 / self.passes,
            "gigatoken cold": self.gigatoken_cold,
            "gigatoken warm": self.gigatoken_warm,
            "tiktoken": lambda: seconds_of(
                lambda: [self.encoding.encode_ordinary(text) for text in self.texts]
            ),
            "Hugging Face": lambda: seconds_of(
                lambda: self.hugging_face.encode_batch_fast(self.texts)
            ),
        }
        samples = {side: [] for side in SIDES}
        for number in range(rounds):
            for side in SIDES:
                if number < slow_rounds or side.startswith(("ferry", "gigatoken")):
                    samples[side].append(self.bytes / 1e6 / actions[side]())
        return {side: summary(values) for side, values in samples.items()}


def ratios(figures):
    return {
        name: figures[ours]["median"] / figures[theirs]["median"]
        for name, (ours, theirs, _) in RATIOS.items()
    }


def print_row(name, row):
    cells = " ".join(f"{row['MB/s'][side]['median']:8.1f}" for side in SIDES)
    compared = " ".join(f"{value:6.2f}" for value in ratios(row["MB/s"]).values())
    mean = row["bytes"] / row["texts"]
    print(f"{name:12} {row['bytes'] / 1e6:6.2f} {mean:7.0f} {cells}  {compared}", flush=True)


def corpus_rows(arguments, ferry, path):
    hugging_face = Tokenizer.from_file(path)
    specials = {tokenizer_gpt2.END_OF_TEXT: tokenizer_gpt2.GPT2_TOKENS}
    encoding = tiktoken.Encoding(
        "gpt2-of-the-bench",
        pat_str=PATTERN,
        mergeable_ranks=tokenizer_gpt2.ranks(),
        special_tokens=specials,
    )
    corpora = {"fortunes": bench_corpora.fortunes(), "source code": bench_corpora.source_code()}
    corpora["ten scripts"] = bench_corpora.ten_scripts()
    corpora |= {name: bench_corpora.script(name) for name in bench_corpora.TEN_SCRIPTS}
    rows = {}
    for name, texts in corpora.items():
        bench = CorpusBench(ferry, texts, path, hugging_face, encoding)
        figures = bench.run(arguments.rounds, min(3, arguments.rounds))
        rows[name] = {"texts": len(texts), "bytes": bench.bytes, "MB/s": figures}
        print_row(name, rows[name])
    return rows


def worst_cases(size):
    rng = random.Random(1)
    return {
        "one letter": "a" * size,
        "letters, no spaces": "".join(
            rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size)
        ),
        "digits": "".join(rng.choice("0123456789") for _ in range(size)),
        "spaces": " " * size,
        "line feeds": "\n" * size,
        "full stops": "." * size,
        "one Han character": "\u4e2d" * (size // 3),
        "Han characters": "".join(chr(rng.randint(0x4E00, 0x9FA5)) for _ in range(size // 3)),
        "special tokens": tokenizer_gpt2.END_OF_TEXT * (size // 13),
        "words": "the quick brown fox " * (size // 20),
    }


def linearity(ferry, arguments):
    """Nanoseconds a byte at growing sizes: flat when the time is linear."""
    sizes, table = (65_536, 262_144, 1_048_576), {}
    for size in sizes:
        for name, text in worst_cases(size).items():
            ferry.corpus([text])
            calls = max(1, 1_048_576 // size)
            samples = [ferry.ask(f"long 0 right 1 {calls}") for _ in range(arguments.rounds)]
            cost = statistics.median(s[0] / calls / s[4] for s in samples)
            table.setdefault(name, []).append(cost)
    return {"sizes": sizes, "ns_per_byte": table}


def judge(rows, linear):
    """(what, value, needed, reached) for every target."""
    verdicts = []
    for corpus, row in rows.items():
        for name, value in ratios(row["MB/s"]).items():
            needed = RATIOS[name][2]
            if needed:
                verdicts.append((f"{corpus}: {name}", value, f">= {needed}", value >= needed))
    for name, costs in linear["ns_per_byte"].items():
        growth = costs[-1] / costs[0]
        verdicts.append((f"1 MiB of {name} against 64 KiB", growth, "<= 2", growth <= 2))
    return verdicts


def print_rest(linear, verdicts):
    print(f"\nns/byte at sizes {', '.join(map(str, linear['sizes']))}")
    for name, costs in linear["ns_per_byte"].items():
        print(f"{name:20} " + " ".join(f"{cost:8.2f}" for cost in costs))
    print()
    for what, value, needed, reached in verdicts:
        print(f"{'ok  ' if reached else 'MISS'} {what}: {value:.2f} (needed {needed})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (default 7)")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    parser.add_argument("--require", action="store_true", help="exit 1 when a target is missed")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it: all on one core
    with tempfile.TemporaryDirectory() as name:
        folder = tokenizer_gpt2.write_json(pathlib.Path(name), tokenizer_gpt2.gpt2_json())
        ferry = Ferry(folder)
        print(f"{processor()}, one core, median of {arguments.rounds} interleaved rounds, MB/s\n")
        heads = ("f.cold", "f.warm", "g.cold", "g.warm", "tikt.", "HF")
        short = ("w/g.w", "c/g.c", "w/tik", "c/tik", "w/HF")
        print(f"{'corpus':12} {'MB':>6} {'B/text':>7} " + " ".join(f"{head:>8}" for head in heads)
              + "  " + " ".join(f"{head:>6}" for head in short))  # fmt: skip
        rows = corpus_rows(arguments, ferry, str(folder / "tokenizer.json"))
        linear = linearity(ferry, arguments)
        ferry.close()
    verdicts = judge(rows, linear)
    print_rest(linear, verdicts)
    if arguments.json:
        result = {"processor": processor(), "corpora": rows, "linearity": linear}
        names = ("what", "value", "needed", "reached")
        result["targets"] = [dict(zip(names, row)) for row in verdicts]
        arguments.json.write_text(json.dumps(result, indent=1))
    return 1 if arguments.require and not all(row[3] for row in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
