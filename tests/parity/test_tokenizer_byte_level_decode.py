"""Byte-level ids back to text, whole and token by token."""

import random

import pytest

import tokenizer_byte_level_texts as byte_texts
import tokenizer_gpt2
import tokenizer_texts as texts
from test_tokenizer_code_points import SCALARS
from tokenizer_client import Options

VARIANTS = ("gpt2", "roberta_prefixed")


def check_decode(judge, rows):
    """As the reference, whole and token by token. (What a push writes is checked by the driver.)"""
    tokenizer = judge.reference.tokenizer
    for skip in (True, False):
        whole = judge.driver.decode(judge.slot, rows, skip)
        streamed = judge.driver.stream(judge.slot, rows, skip)
        for ids, one, other in zip(rows, whole, streamed):
            expected = ("OK", tokenizer.decode(ids, skip_special_tokens=skip))
            assert one == expected, f"{ids} skip={skip}"
            assert other == expected, f"{ids} skip={skip}, token by token"


@pytest.mark.parametrize("variant", VARIANTS)
def test_random_ids(variant, request, seed, long_run):
    """Most of them do not make whole characters."""
    judge = request.getfixturevalue(variant)
    rng = random.Random(f"ids {seed}")
    bound = judge.reference.tokenizer.get_vocab_size()
    rows = [[rng.randrange(bound) for _ in range(rng.randint(0, 30))]
            for _ in range(50_000 if long_run else 1500)]  # fmt: skip
    check_decode(judge, rows)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_of_single_bytes(variant, request, seed, long_run):
    """Every way to break UTF-8: the first 256 ids of GPT-2 are the bytes."""
    judge = request.getfixturevalue(variant)
    vocabulary = judge.reference.tokenizer.get_vocab()
    ids = [vocabulary[character] for character in tokenizer_gpt2.byte_characters()]
    rng = random.Random(f"bytes {seed}")
    edges = (0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
             0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF)  # fmt: skip
    rows = [[ids[a], ids[b], ids[c]] for a in edges for b in edges for c in edges[::3]]
    rows += [[ids[rng.choice(edges)] for _ in range(rng.randint(1, 12))]
             for _ in range(30_000 if long_run else 2000)]  # fmt: skip
    check_decode(judge, rows)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_token_alone(variant, request):
    judge = request.getfixturevalue(variant)
    bound = judge.reference.tokenizer.get_vocab_size()
    check_decode(judge, [[number] for number in range(bound)])
    for number, (exists, text, back) in enumerate(judge.driver.tokens(judge.slot, range(bound))):
        assert exists and back == number and text == judge.reference.tokenizer.id_to_token(number)


def check_round_trip(judge, sample):
    """What was encoded comes back, byte for byte, whole and token by token."""
    options = Options(special=False, special_as_text=True, offsets="none")
    for start in range(0, len(sample), 4000):
        part = sample[start : start + 4000]
        answers = judge.driver.encode(judge.slot, part, options)
        rows = [memoryview(answer.windows[0].ids).cast("i").tolist() for answer in answers]
        for command in (judge.driver.decode, judge.driver.stream):
            for text, result in zip(part, command(judge.slot, rows, False)):
                assert result == ("OK", text), repr(text)


def test_every_code_point_comes_back(gpt2):
    check_round_trip(gpt2, ["".join(SCALARS[i : i + 61]) for i in range(0, len(SCALARS), 61)])
    check_round_trip(gpt2, [" ".join(SCALARS[i : i + 16]) for i in range(0, len(SCALARS), 16)])


@pytest.mark.parametrize("name", byte_texts.GENERATORS)
def test_random_strings_come_back(name, gpt2, seed, long_run):
    check_round_trip(gpt2, byte_texts.random_texts(name, 20_000 if long_run else 1500, seed))


def test_real_text_comes_back(gpt2):
    check_round_trip(gpt2, texts.english_fortunes())
    check_round_trip(gpt2, texts.script_texts("Japanese") + byte_texts.own_sources())


def test_ids_that_do_not_exist(gpt2):
    bound = gpt2.reference.tokenizer.get_vocab_size()
    for wrong in (-1, bound, 2**31 - 1, -(2**31)):
        for command in (gpt2.driver.decode, gpt2.driver.stream):
            status, error = command(gpt2.slot, [[1, wrong]], False)[0]
            assert status == "INVALID_INPUT" and str(wrong) in error


def test_wordpiece_is_not_decoded_token_by_token(minilm):
    status, error = minilm.driver.stream(minilm.slot, [[101]], False)[0]
    assert status == "UNSUPPORTED" and "wordpiece" in error
