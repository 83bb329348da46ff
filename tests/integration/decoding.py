"""What the tests of score, next and generate share: prompts, requests, and what a score must be."""

import math
import random

import numpy
import pytest

from fake_rows import fake_logprobs
from model_folders import DECODE_VOCABULARY
from raw_protocol import floats_of, ids_of

VOCABULARY = DECODE_VOCABULARY
TOLERANCE = 2e-5


def prompt(seed, low=1, high=60):
    generator = random.Random(seed)
    return [generator.randrange(256) for _ in range(generator.randint(low, high))]


def generate(client, prompts, **options):
    reply = client.ok({"op": "generate", "ids": prompts, **options})
    return [[ids_of(choice["ids"]) for choice in item] for item in reply["choices"]], reply


def check_score(ids, score, context=None):
    """context(position): where what stands before a position begins."""
    values = floats_of(score["logprobs"])
    assert ids_of(score["ids"]) == ids and len(values) == len(ids)
    assert math.isnan(values[0])
    for position in range(1, len(ids)):
        begin = context(position) if context else 0
        expected = fake_logprobs(ids[begin:position], VOCABULARY)[ids[position]]
        assert abs(values[position] - expected) <= TOLERANCE
    assert score["scored"] == len(ids) - 1
    total = float(numpy.nansum(values.astype(numpy.float64)))
    assert score["logprob_sum"] == pytest.approx(total, abs=1e-9)
    if len(ids) > 1:
        assert score["perplexity"] == pytest.approx(math.exp(-total / (len(ids) - 1)), rel=1e-9)
    else:
        assert math.isnan(score["perplexity"])


def joined(parts, index=0, choice=0):
    mine = [part for part in parts if (part["index"], part["choice"]) == (index, choice)]
    return [token for part in mine for token in ids_of(part["ids"])], mine
