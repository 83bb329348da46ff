"""GPT-2 of 124 M parameters with random weights, float32: ferry's decoder against transformers'
generate and CTranslate2, and what a token costs the further a sequence has come.

All three make exactly NEW tokens greedily from the same prompts; the clock covers prompts and
tokens. The model is made, traced and converted once, into a folder for temporary files.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from daemon_process import BUILD_DIR
from harness.load import middle, middle_ratio

ROUNDS = 5
SEQUENCES = (1, 16)
PROMPT = 64
NEW_TOKENS = 96
VOCABULARY, POSITIONS = 50257, 1024
LIMIT_TO_CTRANSLATE2, LIMIT_TO_TRANSFORMERS = 1.2, 3.0
EARLY, LATE = range(10, 42), range(968, 1000)  # token numbers


def measure(quick, rounds=None):
    folder = Path(tempfile.mkdtemp(prefix="ferry-decode-", dir="/tmp"))
    try:
        return measure_in(folder, rounds or (2 if quick else ROUNDS), 8 if quick else NEW_TOKENS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_model(folder):
    """The Hugging Face model; also saved as a trace and in CTranslate2's format."""
    import ctranslate2
    import torch
    import transformers
    from tokenizers import Tokenizer, models

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return self.model(input_ids=ids, use_cache=False, return_dict=False)[0]

    with torch.no_grad():
        torch.jit.trace(
            Logits(), torch.randint(0, VOCABULARY, (2, 64)), strict=False, check_trace=False
        ).save(str(folder / "model.pt"))
    model.save_pretrained(folder / "hf")
    # The converter wants a name for every id.
    words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t0"))
    words.save(str(folder / "hf" / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "t0",
                "bos_token": "t50256", "eos_token": "t50256"}  # fmt: skip
    (folder / "hf" / "tokenizer_config.json").write_text(json.dumps(settings))
    ctranslate2.converters.TransformersConverter(str(folder / "hf")).convert(str(folder / "ct2"))
    return model


class Ferry:
    """decode_bench, which stays loaded over all rounds."""

    def __init__(self, folder, threads):
        arguments = {
            "engine": BUILD_DIR / "libferry_torch.so", "model": folder / "model.pt",
            "inputs": "ids:int64", "output-shape": "logits", "traced-batch": 2,
            "traced-length": 64, "max-length": POSITIONS, "width": VOCABULARY,
            "vocabulary-size": VOCABULARY, "mkl-intel-path": 1, "threads": threads,
            "max-sequences": max(SEQUENCES), "max-step-tokens": 1024,
        }  # fmt: skip
        command = [BUILD_DIR / "decode_bench"]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.loaded = json.loads(self.process.stdout.readline())

    def run(self, sequences, prompt, new):
        self.process.stdin.write(f"{sequences} {prompt} {new}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def prompts(sequences):
    """Those of decode_bench."""
    random, rows = 12345, []
    for _ in range(sequences):
        row = []
        for _ in range(PROMPT):
            random = (random * 1664525 + 1013904223) % 2**32
            row.append((random >> 8) % VOCABULARY)
        rows.append(row)
    return rows


def run_transformers(model, sequences, new):
    import torch

    ids = torch.tensor(prompts(sequences))
    started = time.perf_counter()
    with torch.no_grad():
        rows = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None,
            pad_token_id=0, max_new_tokens=new,
        )  # fmt: skip
    return time.perf_counter() - started, rows[0, PROMPT:].tolist()


def run_ctranslate2(generator, sequences, new):
    start = [[f"t{i}" for i in row] for row in prompts(sequences)]
    started = time.perf_counter()
    results = generator.generate_batch(
        start, max_length=new, min_length=new, beam_size=1, sampling_topk=1,
        include_prompt_in_result=False, max_batch_size=sequences, batch_type="examples",
    )  # fmt: skip
    seconds = time.perf_counter() - started
    assert all(len(result.sequences_ids[0]) == new for result in results)
    return seconds, results[0].sequences_ids[0]


def one_round(runners, sequences, new):
    round_ = {}
    for name, run in runners.items():
        seconds, ids = run(sequences, new)
        round_[name] = sequences * new / seconds
        round_[f"{name}_ids"] = ids
    same = round_["ferry_ids"] == round_["transformers_ids"]
    return {name: round_[name] for name in runners} | {"first_sequence_equal": same}


def speed(runners, rounds, new):
    cases = []
    for sequences in SEQUENCES:
        one_round(runners, sequences, min(new, 8))  # warm
        done = [one_round(runners, sequences, new) for _ in range(rounds)]
        cases.append({
            "sequences": sequences, "rounds": done,
            **{name: middle(done, name) for name in runners},
            **{f"to_{name}": middle_ratio_of(done, name) for name in runners if name != "ferry"},
        })  # fmt: skip
    return cases


def middle_ratio_of(rounds, name):
    key = "tokens_per_s"
    return middle_ratio([{key: r["ferry"]} for r in rounds], [{key: r[name]} for r in rounds], key)


def growth(ferry, rounds):
    """Seconds of a step early and late in sequences that reach the last position."""
    cases = []
    for sequences in SEQUENCES:
        runs = [ferry.run(sequences, 8, POSITIONS - 24)["positions"] for _ in range(rounds)]
        early = middle([{"s": span(run, EARLY)} for run in runs], "s")
        late = middle([{"s": span(run, LATE)} for run in runs], "s")
        # Keys and values that a late token reads more than an early one, over all weights.
        more = sequences * (LATE.start - EARLY.start) * 12 * 2 * 768 / 124.0e6
        cases.append({"sequences": sequences, "early_ms": early * 1e3, "late_ms": late * 1e3,
                      "ratio": late / early, "memory_ratio": 1 + more})  # fmt: skip
    return cases


def span(positions, tokens):
    """The middle step of those tokens; the prompt's step made token 1."""
    steps = sorted(positions[token - 2] for token in tokens)
    return steps[len(steps) // 2]


def measure_in(folder, rounds, new):
    import ctranslate2

    threads = len(os.sched_getaffinity(0))
    model = make_model(folder)
    generator = ctranslate2.Generator(
        str(folder / "ct2"), device="cpu", compute_type="float32", intra_threads=threads
    )
    ferry = Ferry(folder, threads)

    def run_ferry(sequences, new_tokens):
        run = ferry.run(sequences, PROMPT, new_tokens)
        return run["seconds"], run["first_ids"]

    runners = {
        "ferry": run_ferry,
        "ctranslate2": lambda s, n: run_ctranslate2(generator, s, n),
        "transformers": lambda s, n: run_transformers(model, s, n),
    }
    cases = speed(runners, rounds, new)
    grown = growth(ferry, max(1, rounds // 2))
    ferry.close()
    batch = cases[-1]
    met = (
        batch["to_ctranslate2"] >= LIMIT_TO_CTRANSLATE2
        or batch["to_transformers"] >= LIMIT_TO_TRANSFORMERS
    )
    return {"rounds": rounds, "prompt": PROMPT, "new_tokens": new, "cases": cases,
            "growth": grown, "loaded": ferry.loaded, "met": met,
            "limit_to_ctranslate2": LIMIT_TO_CTRANSLATE2,
            "limit_to_transformers": LIMIT_TO_TRANSFORMERS}  # fmt: skip
