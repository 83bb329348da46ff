"""tokenize and detokenize over the wire, against Hugging Face tokenizers."""

import sys
from pathlib import Path

import numpy
import pytest
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

import sample_texts  # noqa: E402
from model_folders import MAX_LENGTH, bert_folder  # noqa: E402


def reference(max_length=MAX_LENGTH, **truncation):
    tokenizer = Tokenizer.from_file(str(bert_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length:
        tokenizer.enable_truncation(max_length, **truncation)
    return tokenizer


def assert_window(item, encoding, offsets=False):
    assert numpy.frombuffer(item["ids"], "<i4").tolist() == encoding.ids
    assert list(item["type_ids"]) == encoding.type_ids
    assert list(item["special"]) == encoding.special_tokens_mask
    assert item["tokens"] == encoding.tokens
    if offsets:
        pairs = numpy.frombuffer(item["offsets"], "<u4").reshape(-1, 2)
        assert [tuple(pair) for pair in pairs.tolist()] == encoding.offsets
    else:
        assert "offsets" not in item


def assert_same(client, texts, tokenizer, **fields):
    reply = client.ok({"op": "tokenize", "texts": texts, "offsets": True, **fields})
    encodings = tokenizer.encode_batch(texts)
    assert len(reply["items"]) == len(texts)
    for text, item, encoding in zip(texts, reply["items"], encodings):
        try:
            assert_window(item, encoding, offsets=True)
        except AssertionError as error:
            raise AssertionError(f"for {text!r:.300}: {error}") from None
    assert reply["tokens"] == [len(encoding.ids) for encoding in encodings]
    return reply, encodings


def test_texts_of_many_scripts(client):
    texts = sample_texts.mixed(600, seed=21)
    for start in range(0, len(texts), 100):
        reply, encodings = assert_same(client, texts[start : start + 100], reference())
        assert reply["truncated"] == [bool(encoding.overflowing) for encoding in encodings]


def test_without_offsets_none_are_sent(client):
    (item,) = client.ok({"op": "tokenize", "texts": ["hello world"]})["items"]
    assert_window(item, reference().encode("hello world"))
    assert item["tokens"] == ["[CLS]", "hello", "world", "[SEP]"]


PAIRS = [("a question", "an answer"), ("", ""), ("long " * 300, "short"), ("short", "long " * 300),
         ("both " * 200, "are long " * 200)]  # fmt: skip


@pytest.mark.parametrize("strategy", ["longest_first", "only_first", "only_second"])
def test_pairs_in_every_strategy(client, strategy):
    pairs = PAIRS
    if strategy != "longest_first":  # the other text must leave room
        pairs = [p for p in PAIRS if len(p[strategy == "only_first"].split()) < 100]
    assert_same(client, pairs, reference(strategy=strategy), strategy=strategy)


def test_pair_that_the_strategy_cannot_shorten_fails_alone(client):
    pairs = [("short", "long " * 300), ("a", "b")]
    reply = client.ok({"op": "tokenize", "texts": pairs, "strategy": "only_first"})
    (error,) = reply["errors"]
    assert (error["index"], error["status"]) == (0, "TOO_LONG")


def test_truncation_on_the_left_and_a_lower_limit(client):
    texts = sample_texts.mixed(100, seed=22)
    tokenizer = reference(max_length=12, direction="left")
    assert_same(client, texts, tokenizer, truncate="left", max_tokens=12)


def test_without_special_tokens(client):
    reply = client.ok({"op": "tokenize", "texts": ["hello world"], "add_special_tokens": False})
    encoding = reference().encode("hello world", add_special_tokens=False)
    assert_window(reply["items"][0], encoding)


def test_special_tokens_written_in_a_text(client):
    text = "one [SEP] two [MASK]"
    assert_same(client, [text], reference())
    reply = client.ok({"op": "tokenize", "texts": [text], "special_tokens": "text"})
    assert reply["items"][0]["tokens"][2:5] == ["[", "sep", "]"]


def test_overflow_windows(client):
    texts = ["word " * 30, "short", "一二三四五六七八九十" * 4]
    tokenizer = reference(max_length=16, stride=4)
    reply = client.ok(
        {"op": "tokenize", "texts": texts, "max_tokens": 16, "windows": True, "stride": 4}
    )
    for item, encoding in zip(reply["items"], tokenizer.encode_batch(texts)):
        assert_window(item, encoding)
        rest = item.get("windows", [])
        assert len(rest) == len(encoding.overflowing)
        for window, expected in zip(rest, encoding.overflowing):
            assert_window(window, expected)


def test_detokenize(client):
    tokenizer = reference(max_length=None)
    texts = sample_texts.mixed(200, seed=23)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts) if encoding.ids]
    rows = [row[:5000] for row in rows]
    for skip in (True, False):
        reply = client.ok({"op": "detokenize", "ids": rows, "skip_special_tokens": skip})
        assert reply["texts"] == tokenizer.decode_batch(rows, skip_special_tokens=skip)
