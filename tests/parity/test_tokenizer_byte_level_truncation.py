"""Truncation, windows and reading limits of byte-level tokenizers. With trimmed offsets each window
treats its own first token in its own way."""

import itertools
import random

import pytest

import tokenizer_byte_level_texts as byte_texts
import tokenizer_texts as texts
from tokenizer_client import Options

VARIANTS = ("gpt2", "gpt2_prefixed", "roberta", "roberta_prefixed")
LIMITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 21, 64)
SIDES = ("right", "left")
STRATEGIES = ("longest_first", "only_first", "only_second")


def _pairs(sample, seed):
    rng = random.Random(seed)
    short = [text[:24] for text in sample]
    return [(text, rng.choice(short)) for text in short[::2]] + [(short[0], "")]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("windows", (False, True))
def test_every_limit(variant, windows, request, seed, long_run):
    judge = request.getfixturevalue(variant)
    sample = ["", " ", " one two  three", "one two three four five six"]
    sample += byte_texts.mixed_texts(200 if long_run else 8, f"limits {seed}")
    cases = sample + _pairs(sample, seed)
    for limit, side, special in itertools.product(LIMITS, SIDES, (True, False)):
        judge.check(cases, Options(limit, side=side, special=special, windows=windows))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("side", SIDES)
def test_strategies_and_strides(variant, strategy, side, request, seed, long_run):
    judge = request.getfixturevalue(variant)
    sample = byte_texts.mixed_texts(100 if long_run else 5, f"strides {seed}")
    cases = sample + _pairs(sample, seed)
    for limit, stride, windows in itertools.product((6, 8, 13, 32), (0, 1, 3), (True, False)):
        judge.check(cases, Options(limit, stride, strategy, side, windows=windows))


@pytest.mark.parametrize("variant", VARIANTS)
def test_long_texts(variant, request, seed):
    judge = request.getfixturevalue(variant)
    rng = random.Random(f"long {seed}")
    names = list(byte_texts.GENERATORS.values())
    sample = ["".join(rng.choice(names)(rng) for _ in range(60)) for _ in range(30)]
    sample += ["\n".join(texts.english_fortunes()[:80]), "<mask> " * 900, " \u00e9" * 3000]
    for side, limit in itertools.product(SIDES, (16, 128)):
        judge.check(sample, Options(limit, side=side))
    judge.check(sample, Options(128, 4, windows=True))
    judge.check(sample, Options())


def test_a_cut_text_is_not_read_to_its_end(gpt2):
    text = "The quick brown fox jumps over the lazy dog. " * 20_000
    for offsets in ("none", "bytes"):
        answer = gpt2.driver.encode(gpt2.slot, [text], Options(128, offsets=offsets))[0]
        assert answer.windows[0].truncated and answer.windows[0].count == 128
        assert answer.read[0] < 4096, "read on after the limit was reached"


def test_what_lies_after_the_cut_does_not_matter(gpt2, roberta_prefixed):
    head = b"word " * 400
    for judge in (gpt2, roberta_prefixed):
        broken, same = judge.driver.encode(
            judge.slot, [head + b"\xff\xfe" * 1000, head], Options(64)
        )
        assert broken.status == "OK" and broken.windows[0].truncated
        assert broken.windows[0] == same.windows[0]


@pytest.mark.parametrize("edge", range(2030, 2064, 3))
def test_pretokens_across_the_end_of_what_was_searched(edge, gpt2, roberta_prefixed):
    """Added tokens are searched for 2 KiB ahead: that must not cut a pre-token."""
    ends = (
        "abc def",
        "   x",
        "\n\n\n",
        "\u00e9\u00e9\u00e9 \u4e2d",
        "'ll've",
        "123 456",
        "...!",
        " ",
    )
    sample = ["y " * (edge // 2) + end * count for end in ends for count in (1, 3, 700)]
    for judge in (gpt2, roberta_prefixed):
        judge.check(sample, Options())
        judge.check(sample, Options(2000))
