"""Ids back to text, and the questions about single tokens."""

import random

import pytest

import tokenizer_models as models
import tokenizer_texts as texts
from tokenizer_client import Options


def _check(judge, rows):
    tokenizer = judge.reference.tokenizer
    for skip in (True, False):
        results = judge.driver.decode(judge.slot, rows, skip)
        for ids, (status, text) in zip(rows, results):
            expected = tokenizer.decode(ids, skip_special_tokens=skip)
            assert (status, text) == ("OK", expected), f"{ids} skip={skip} expected {expected!r}"


def _random_rows(judge, count, seed):
    rng = random.Random(seed)
    ids = sorted(judge.reference.tokenizer.get_vocab().values())
    return [[rng.choice(ids) for _ in range(rng.randint(0, 40))] for _ in range(count)]


def test_random_ids(minilm, small, seed, long_run):
    for judge in (minilm, small):
        _check(judge, _random_rows(judge, 50_000 if long_run else 3000, seed))


def test_every_id_alone_and_second(minilm):
    vocabulary = sorted(minilm.reference.tokenizer.get_vocab().values())
    _check(minilm, [[i] for i in vocabulary])
    _check(minilm, [[1996, i, 1996] for i in vocabulary])


def test_round_trip_of_texts(minilm):
    sample = texts.english_fortunes()[:3000]
    for script in ("Greek", "Han", "Thai", "Arabic"):
        sample += texts.script_texts(script)[:300]
    answers = minilm.driver.encode(minilm.slot, sample, Options(offsets="none"))
    _check(minilm, [memoryview(answer.windows[0].ids).cast("i").tolist() for answer in answers])


def test_clean_up_of_punctuation(minilm):
    """What the reference glues again: " ." " ?" " n't" " 's" and so on."""
    rng = random.Random(3)
    pieces = ". ? ! , ' n't 'm 's 've 're do not isn t m s ve re ll d ##s ##n - \" ( ) [SEP] [CLS] ##'".split()
    ids = [i for i in map(minilm.reference.tokenizer.token_to_id, pieces) if i is not None]
    assert len(ids) > 20
    _check(minilm, [[rng.choice(ids) for _ in range(rng.randint(1, 12))] for _ in range(4000)])


DECODERS = {
    "no_clean_up": {"type": "WordPiece", "prefix": "##", "cleanup": False},
    "other_prefix": {"type": "WordPiece", "prefix": "pl", "cleanup": True},
    "empty_prefix": {"type": "WordPiece", "prefix": "", "cleanup": True},
    "none": None,
}


@pytest.mark.parametrize("name", DECODERS)
def test_decoders(name, new_judge, tmp_path):
    document = models.small_json()
    document["decoder"] = DECODERS[name]
    for number, content in enumerate(("<x>", " y ", "##z", "n't", "'s")):
        document["added_tokens"].append(
            models.added_token(900 + number, content, special=number == 0)
        )
    judge = new_judge(models.write_json(tmp_path, document))
    _check(judge, _random_rows(judge, 1500, name))


@pytest.mark.parametrize("wrong", (-1, 30522, 2**31 - 1, -(2**31)))
def test_ids_that_do_not_exist(wrong, minilm):
    for ids in ([wrong], [101, wrong, 102]):
        status, error = minilm.driver.decode(minilm.slot, [ids], False)[0]
        assert status == "INVALID_INPUT" and str(wrong) in error


def test_single_tokens(minilm):
    vocabulary = minilm.reference.tokenizer.get_vocab()
    by_id = {number: word for word, number in vocabulary.items()}
    ids = sorted(by_id)
    for number, (exists, text, back) in zip(ids, minilm.driver.tokens(minilm.slot, ids)):
        assert (exists, text, back) == (True, by_id[number], number)
    for exists, _, _ in minilm.driver.tokens(minilm.slot, [-1, 30522, 2**31 - 1, -(2**31)]):
        assert not exists


def test_facts_about_the_default_model(driver):
    loaded = driver.load(253, models.minilm_folder())
    assert (loaded.id_bound, loaded.pad_id) == (30522, 0)
    assert (loaded.added_single, loaded.added_pair) == (2, 3)
