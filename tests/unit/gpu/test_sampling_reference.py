"""gpu/sampling.c against transformers' own logits processors, in generate's order."""

import ctypes
import itertools
import os
import pathlib

import numpy
import pytest
import scipy.stats
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", ROOT / "build"))


LEAST = 1e-37  # what float32 takes for 0


class Sampling(ctypes.Structure):
    _fields_ = [
        ("temperature", ctypes.c_float), ("top_p", ctypes.c_float), ("min_p", ctypes.c_float),
        ("repetition_penalty", ctypes.c_float), ("top_k", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
    ]  # fmt: skip


class Choice(ctypes.Structure):
    _fields_ = [
        ("logits", ctypes.c_void_p), ("vocabulary", ctypes.c_uint32), ("ids", ctypes.c_void_p),
        ("length", ctypes.c_uint32), ("sampling", ctypes.POINTER(Sampling)),
        ("forbidden", ctypes.c_void_p), ("forbidden_count", ctypes.c_uint32),
    ]  # fmt: skip


class Sampler:
    """The C functions on numpy arrays."""

    def __init__(self, vocabulary):
        self.library = ctypes.CDLL(str(BUILD / "libsampling_probe.so"))
        self.library.probe_create.restype = ctypes.c_void_p
        self.library.probe_distribution.restype = ctypes.c_bool
        self.vocabulary = vocabulary
        self.scratch = ctypes.c_void_p(self.library.probe_create(vocabulary))

    def close(self):
        self.library.probe_free(self.scratch)

    def choice(self, logits, history=(), forbidden=(), **options):
        options = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0} | options
        self.kept = (
            numpy.ascontiguousarray(logits, numpy.float32), numpy.array(history, numpy.int32),
            numpy.array(forbidden, numpy.int32), Sampling(**options),
        )  # fmt: skip
        row, ids, banned, sampling = self.kept
        assert len(row) == self.vocabulary
        return Choice(row.ctypes.data, len(row), ids.ctypes.data, len(ids),
                      ctypes.pointer(sampling), banned.ctypes.data, len(banned))  # fmt: skip

    def sample(self, logits, **options):
        return self.library.probe_sample(self.scratch, ctypes.byref(self.choice(logits, **options)))

    def distribution(self, logits, **options):
        out = numpy.empty(self.vocabulary)
        choice = self.choice(logits, **options)
        found = self.library.probe_distribution(
            self.scratch, ctypes.byref(choice), ctypes.c_void_p(out.ctypes.data)
        )
        return out if found else None

    def draws(self, logits, count, **options):
        out = numpy.empty(count, numpy.int32)
        choice = self.choice(logits, **options)
        self.library.probe_draws(
            self.scratch, ctypes.byref(choice), count, ctypes.c_void_p(out.ctypes.data)
        )
        return out

    def logprobs(self, logits):
        row = numpy.ascontiguousarray(logits, numpy.float32)
        out = numpy.empty(self.vocabulary, numpy.float32)
        best = self.library.probe_logprobs(
            self.scratch, ctypes.c_void_p(row.ctypes.data), len(row),
            ctypes.c_void_p(out.ctypes.data),
        )  # fmt: skip
        return best, out

    def top(self, logits, top):
        row = numpy.ascontiguousarray(logits, numpy.float32)
        ids, out = numpy.empty(top, numpy.int32), numpy.empty(top, numpy.float32)
        self.library.probe_top(
            self.scratch, ctypes.c_void_p(row.ctypes.data), len(row), top,
            ctypes.c_void_p(ids.ctypes.data), ctypes.c_void_p(out.ctypes.data),
        )  # fmt: skip
        return ids, out


@pytest.fixture(autouse=True)
def stable_sort(monkeypatch):
    """torch.sort leaves the order of equal numbers open, and with it which of them top-p keeps; a
    stable sort is what gpu/sampling.h promises."""
    monkeypatch.setattr(torch, "sort", lambda x, descending=False: torch.Tensor.sort(
        x, descending=descending, stable=True))  # fmt: skip


def reference(logits, history=(), forbidden=(), temperature=1.0, top_k=0, top_p=1.0, min_p=0.0,
              repetition_penalty=1.0):  # fmt: skip
    """The processors that generate makes of these settings, in its order."""
    single = lambda number: float(numpy.float32(number))  # noqa: E731
    processors = transformers.LogitsProcessorList()
    if repetition_penalty != 1.0:
        processors.append(transformers.RepetitionPenaltyLogitsProcessor(single(repetition_penalty)))
    if len(forbidden) > 0:
        processors.append(
            transformers.MinNewTokensLengthLogitsProcessor(len(history), 1, list(forbidden))
        )
    if temperature != 1.0:
        processors.append(transformers.TemperatureLogitsWarper(single(temperature)))
    if top_k != 0:
        processors.append(transformers.TopKLogitsWarper(top_k))
    if top_p < 1.0:
        processors.append(transformers.TopPLogitsWarper(single(top_p)))
    if min_p > 0:
        processors.append(transformers.MinPLogitsWarper(single(min_p)))
    ids = torch.tensor([list(history)], dtype=torch.long)
    scores = processors(ids, torch.tensor(numpy.asarray(logits, numpy.float32))[None])
    return torch.softmax(scores[0].double(), -1).numpy()


def random_row(random, vocabulary, kind):
    if kind == "normal":
        return random.normal(0, 1, vocabulary)
    if kind == "peaked":
        return random.normal(0, 6, vocabulary)
    if kind == "ties":
        return random.integers(-3, 4, vocabulary).astype(float)
    if kind == "halves":
        return random.integers(-30, 30, vocabulary) / 8.0
    if kind == "masked":
        row = random.normal(0, 3, vocabulary)
        row[random.random(vocabulary) < 0.5] = -numpy.inf
        row[random.integers(vocabulary)] = 1.0
        return row
    if kind == "extreme":
        return random.choice([-1e30, -1e4, -200.0, -1.0, -0.0, 0.0, 5.0, 80.0], vocabulary)
    return random.normal(-1e4, 1, vocabulary)


KINDS = ["normal", "peaked", "ties", "halves", "masked", "extreme", "far"]
TEMPERATURES, TOP_KS = [1.0, 0.7, 1.9], [0, 1, 7, 40]
TOP_PS, MIN_PS, PENALTIES = [1.0, 0.3, 0.9, 0.999], [0.0, 0.02, 0.5], [1.0, 1.3, 0.8]


def compare(sampler, row, **options):
    mine = sampler.distribution(row, **options)
    theirs = reference(row, **options)
    assert mine is not None
    kept, expected = mine > LEAST, theirs > LEAST
    if not numpy.array_equal(kept, expected):
        return False, numpy.flatnonzero(kept != expected)
    numpy.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=LEAST)
    return True, None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vocabulary", [3, 64, 200, 1000])
def test_every_combination_equals_the_processors(kind, vocabulary):
    random = numpy.random.default_rng([vocabulary, KINDS.index(kind)])
    sampler = Sampler(vocabulary)
    different = []
    for number, (temperature, top_k, top_p, min_p, penalty) in enumerate(
        itertools.product(TEMPERATURES, TOP_KS, TOP_PS, MIN_PS, PENALTIES)
    ):
        row = random_row(random, vocabulary, kind)
        history = random.integers(0, vocabulary, number % 20).tolist()
        usable = numpy.flatnonzero(numpy.isfinite(row))
        forbidden = random.choice(usable, min(number % 3, len(usable) - 1), replace=False)
        options = dict(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
                       repetition_penalty=penalty, history=history,
                       forbidden=forbidden.tolist())  # fmt: skip
        equal, where = compare(sampler, row, **options)
        if not equal:
            different.append((options, where))
    sampler.close()
    assert not different, (len(different), different[:2])


@pytest.mark.parametrize("kind", ["normal", "peaked", "ties"])
def test_the_real_vocabulary(kind):
    random = numpy.random.default_rng(1)
    sampler = Sampler(50257)
    for options in [{}, {"temperature": 0.8}, {"top_k": 50}, {"top_k": 3000}, {"top_p": 0.9},
                    {"min_p": 0.05}, {"temperature": 1.3, "top_p": 0.97, "min_p": 0.001},
                    {"top_k": 1000, "top_p": 0.8, "repetition_penalty": 1.2}]:  # fmt: skip
        row = random_row(random, 50257, kind)
        history = random.integers(0, 50257, 300).tolist()
        equal, where = compare(sampler, row, history=history, **options)
        assert equal, (options, where)
    sampler.close()


@pytest.mark.parametrize("vocabulary", [1, 5, 64, 130, 50257])
@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_and_the_most_probable(vocabulary, kind):
    random = numpy.random.default_rng([vocabulary, KINDS.index(kind)])
    sampler = Sampler(vocabulary)
    row = random_row(random, vocabulary, kind).astype(numpy.float32)
    tensor = torch.from_numpy(row)
    expected = torch.log_softmax(tensor, -1).numpy()
    best, logprobs = sampler.logprobs(row)
    assert best == int(torch.argmax(tensor))
    numpy.testing.assert_allclose(logprobs, expected, rtol=1e-5, atol=1e-5)
    for top in {1, min(5, vocabulary), min(100, vocabulary)}:
        ids, values = sampler.top(row, top)
        order = numpy.lexsort((numpy.arange(vocabulary), -row))[:top]
        assert ids.tolist() == order.tolist()
        assert numpy.array_equal(values, logprobs[order])
    sampler.close()


def test_greedy():
    random = numpy.random.default_rng(3)
    sampler = Sampler(1000)
    for kind in KINDS:
        row = random_row(random, 1000, kind).astype(numpy.float32)
        assert sampler.sample(row, temperature=0.0) == int(torch.argmax(torch.from_numpy(row)))
        history = random.integers(0, 1000, 400).tolist()
        forbidden = numpy.argsort(-row)[:3].tolist()
        scores = transformers.RepetitionPenaltyLogitsProcessor(float(numpy.float32(1.4)))(
            torch.tensor([history]), torch.from_numpy(row)[None]
        )
        scores[0, forbidden] = -torch.inf
        mine = sampler.sample(row, temperature=0.0, history=history, forbidden=forbidden,
                              repetition_penalty=1.4, top_k=5, top_p=0.1)  # fmt: skip
        assert mine == int(scores[0].argmax())
    sampler.close()


@pytest.mark.parametrize("options", [
    {}, {"temperature": 0.6}, {"top_k": 8}, {"top_p": 0.8}, {"min_p": 0.1},
    {"temperature": 1.5, "top_k": 50, "top_p": 0.9, "min_p": 0.02},
])  # fmt: skip
def test_frequencies_are_those_of_the_distribution(options):
    random = numpy.random.default_rng(11)
    sampler = Sampler(300)
    row = random_row(random, 300, "normal")
    expected = reference(row, **options)
    draws = sampler.draws(row, 200_000, seed=20_26, **options)
    counts = numpy.bincount(draws, minlength=300)
    assert counts[expected == 0].sum() == 0
    kept = expected > 0
    result = scipy.stats.chisquare(counts[kept], expected[kept] * len(draws))
    assert result.pvalue > 0.001
    again = sampler.draws(row, 1000, seed=20_26, **options)
    assert numpy.array_equal(again, draws[:1000])
    assert not numpy.array_equal(sampler.draws(row, 1000, seed=20_27, **options), again)
    sampler.close()


def test_neighbouring_seeds_are_independent():
    sampler = Sampler(4)
    first = [sampler.sample(numpy.zeros(4), seed=seed) for seed in range(20_000)]
    second = [sampler.sample(numpy.zeros(4), seed=seed, history=[0]) for seed in range(20_000)]
    pairs = numpy.bincount(numpy.array(first) * 4 + numpy.array(second), minlength=16)
    assert scipy.stats.chisquare(pairs).pvalue > 0.001
    sampler.close()


def test_rows_without_an_answer():
    sampler = Sampler(70)
    for bad in (numpy.nan, -numpy.nan, numpy.inf):
        for at in (0, 63, 69):
            row = numpy.zeros(70)
            row[at] = bad
            for options in ({}, {"temperature": 0.0}, {"top_k": 3}, {"forbidden": [at]}):
                assert sampler.sample(row, **options) == -1
    assert sampler.sample(numpy.full(70, -numpy.inf)) == -1
    row = numpy.full(70, -numpy.inf)
    row[5] = 0
    assert sampler.sample(row) == sampler.sample(row, temperature=0.0) == 5
    for temperature in (0.0, 1.0):
        assert sampler.sample(row, forbidden=[5], temperature=temperature) == -1
    sampler.close()


def test_a_temperature_too_small_to_divide_by_is_greedy():
    sampler = Sampler(70)
    row = numpy.linspace(1, 2, 70)
    assert sampler.sample(row, temperature=1e-40) == 69
    assert sampler.sample(row, temperature=1e-6) == 69
    sampler.close()
