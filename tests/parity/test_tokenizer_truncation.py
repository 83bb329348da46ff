"""Every truncation strategy, side and limit, with and without windows, for single texts and pairs."""

import itertools
import random

import pytest

import tokenizer_texts as texts
from tokenizer_client import Options

LIMITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 21, 32, 64, 128, 512)
SHORT_LIMITS = (1, 2, 3, 4, 5, 6, 9, 16, 128)
STRIDES = (0, 1, 2, 5, 20)


def _sample(seed, count):
    rng = random.Random(seed)
    generators = list(texts.GENERATORS.values())
    sample = ["", " ", "one", "one two three four five", "a" * 101, "[SEP] " * 9, "e\u0301" * 30]
    sample += [rng.choice(generators)(rng) for _ in range(count)]
    sample += [" ".join(texts.ascii_words(rng) for _ in range(rng.randint(1, 9))) for _ in range(2)]
    return sample


def _pair_sample(seed, count):
    """Short ones: the windows of a pair are all combinations of the two texts' windows."""
    rng = random.Random(f"pairs {seed}")
    sample = ["", " ", "one", "one two three four five", "[SEP] " * 3, "e\u0301" * 9]
    sample += [rng.choice(list(texts.GENERATORS.values()))(rng)[:24] for _ in range(count)]
    return [(a, rng.choice(sample)) for a in sample] + [(rng.choice(sample), b) for b in sample]


@pytest.mark.parametrize("side", ("right", "left"))
@pytest.mark.parametrize("strategy", ("longest_first", "only_first", "only_second"))
@pytest.mark.parametrize("windows", (False, True))
def test_single_texts(strategy, side, windows, minilm, seed, long_run):
    sample = _sample(f"single {seed}", 400 if long_run else 12)
    for limit, special in itertools.product(LIMITS if long_run else SHORT_LIMITS, (True, False)):
        options = Options(limit, 0, strategy, side, special=special, windows=windows)
        minilm.check(sample, options)


@pytest.mark.parametrize("side", ("right", "left"))
@pytest.mark.parametrize("strategy", ("longest_first", "only_first", "only_second"))
@pytest.mark.parametrize("windows", (False, True))
def test_pairs(strategy, side, windows, minilm, seed, long_run):
    """Odd rooms too: which text gets the odd token depends on which one is longer."""
    sample = _pair_sample(f"pairs {seed}", 120 if long_run else 8)
    for limit, special in itertools.product(LIMITS if long_run else SHORT_LIMITS, (True, False)):
        options = Options(limit, 0, strategy, side, special=special, windows=windows)
        minilm.check(sample, options)


@pytest.mark.parametrize("side", ("right", "left"))
@pytest.mark.parametrize("strategy", ("longest_first", "only_first", "only_second"))
@pytest.mark.parametrize("stride", STRIDES)
def test_strides(strategy, side, stride, minilm, seed, long_run):
    single = _sample(f"stride {seed}", 60 if long_run else 2)
    pairs = _pair_sample(f"stride {seed}", 30 if long_run else 2)
    for limit, windows in itertools.product((4, 6, 8, 13, 32), (True, False)):
        options = Options(limit, stride, strategy, side, windows=windows)
        minilm.check(single + pairs, options)


@pytest.mark.parametrize("side", ("right", "left"))
def test_limits_near_the_length(side, minilm, seed):
    """One below, at and above the text's own number of tokens, with blanks at both ends."""
    rng = random.Random(f"near {seed}")
    for _ in range(60):
        text = rng.choice((texts.ascii_words, texts.everything, texts.special_tokens_glued))(rng)
        text = (
            rng.choice(("", "  ", "\u200b"))
            + text
            + rng.choice(("", "   ", "\n\n", "\u200b", "\u0301"))
        )
        count = len(minilm.reference.encode([text], Options())[0].windows[0].ids) // 4
        for limit in range(max(3, count - 2), count + 3):
            minilm.check([text], Options(limit, side=side))
            minilm.check([text], Options(limit, side=side, windows=True))


def test_a_cut_text_is_not_read_to_its_end(minilm):
    """With right truncation and no windows the bytes after the cut are not looked at."""
    text = "The quick brown fox jumps over the lazy dog. " * 20_000
    answer = minilm.driver.encode(minilm.slot, [text], Options(128))[0]
    assert answer.windows[0].truncated and answer.windows[0].count == 128
    assert answer.read[0] < 4096, "read on after the limit was reached"


def test_what_lies_after_the_cut_does_not_matter(minilm):
    """Not even broken UTF-8: it is never seen."""
    head = b"word " * 400
    answer = minilm.driver.encode(minilm.slot, [head + b"\xff\xfe" * 1000], Options(64))[0]
    assert answer.status == "OK" and answer.windows[0].truncated
    same = minilm.driver.encode(minilm.slot, [head], Options(64))[0]
    assert answer.windows[0] == same.windows[0]


@pytest.mark.parametrize("name", texts.GENERATORS)
def test_left_truncation_of_long_texts(name, minilm, seed):
    rng = random.Random(f"left {name} {seed}")
    sample = [" ".join(texts.GENERATORS[name](rng) for _ in range(30)) for _ in range(15)]
    for limit in (16, 128):
        minilm.check(sample, Options(limit, side="left"))
        minilm.check(sample, Options(limit, side="right"))
        minilm.check(sample, Options(limit, 4, windows=True))
