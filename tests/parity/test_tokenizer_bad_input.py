"""Broken UTF-8 and broken tokenizer files: a typed error that says where, never a crash."""

import json
import random
import re

import pytest

import tokenizer_models as models
import tokenizer_texts as texts
from tokenizer_client import DriverDied, Options
from tokenizer_oracle import Judge, Reference

BROKEN = (
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe4\xb8",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
)  # fmt: skip


def _first_error(data):
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _broken_texts(seed, count):
    rng = random.Random(seed)
    generators = list(texts.GENERATORS.values())
    for _ in range(count):
        head, tail = (rng.choice(generators)(rng).encode() for _ in range(2))
        yield head + rng.choice(BROKEN) + tail
    for _ in range(count):  # any byte changed, any place cut
        data = bytearray(rng.choice(generators)(rng).encode() or b"x")
        data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data[: rng.randint(0, len(data))])


def _check_answer(case, answer):
    where = _first_error(case)
    if where is None:
        assert answer.status == "OK", (case, answer)
        return
    assert answer.status == "INVALID_INPUT", (case, where, answer)
    assert re.search(rf"\b{where}\b", answer.error), (case, where, answer.error)


@pytest.mark.parametrize("options", (Options(), Options(special_as_text=True, offsets="none"),
                                     Options(64, side="left"), Options(64, 4, windows=True)), ids=str)  # fmt: skip
def test_broken_utf8(options, minilm, small, seed, long_run):
    sample = list(_broken_texts(seed, 20_000 if long_run else 1500))
    for judge in (minilm, small):
        for case, answer in zip(sample, judge.driver.encode(judge.slot, sample, options)):
            _check_answer(case, answer)


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_utf8_at_every_place(broken, minilm):
    """Alone, at the begin, inside a word, beside a special token, at the end, in a pair."""
    frames = (
        (b"", b""),
        (b"abc", b"def"),
        (b"abc ", b" def"),
        (b"[SEP]", b"[SEP]"),
        (b"", b" x"),
        (b"x " * 40, b""),
    )
    sample = [head + broken + tail for head, tail in frames]
    for case, answer in zip(sample, minilm.driver.encode(minilm.slot, sample, Options())):
        _check_answer(case, answer)
    for case in sample:
        answers = minilm.driver.encode(minilm.slot, [(case, b"ok"), (b"ok", case)], Options())
        assert [answer.status for answer in answers] == ["INVALID_INPUT"] * 2


def test_a_session_is_sound_after_an_error(minilm, seed):
    good = texts.random_texts(texts.everything, 300, f"after {seed}")
    for bad in (b"abc\xff", b"\xe4\xb8", "[SEP]".encode() + b"\x80", b"word " * 300 + b"\xff"):
        minilm.driver.encode(minilm.slot, [bad], Options())
        minilm.check(good, Options())


def test_limits_that_leave_no_room(minilm):
    for limit, pair in ((1, False), (1, True), (2, True)):
        case = ("a b c", "d e f") if pair else "a b c"
        answer = minilm.driver.encode(minilm.slot, [case], Options(limit))[0]
        assert answer.status == "INVALID_INPUT" and len(answer.error) > 20


LARGE_TEXTS = {
    "combining marks": "e" + "\u0301" * 5_000_000,
    "full stops": "." * 10_000_000,
    "words": "word " * 2_000_000,
    "no spaces": "a" * 10_000_000,
}


@pytest.mark.parametrize("name", LARGE_TEXTS)
def test_memory_of_a_large_text_is_given_back(name, driver):
    """10 MB of text, read whole; after trimming the process is as small as before."""
    assert driver.load(254, models.minilm_folder()).status == "OK"
    before = driver.trim(254, 0)
    answer = driver.encode(254, [LARGE_TEXTS[name]], Options())[0]
    assert answer.status == "OK"
    # The driver itself keeps the answer: 14 bytes a token, in a buffer up to twice that.
    allowed = (64 << 20) + 28 * answer.windows[0].count
    kept = driver.trim(254, 1 << 20) - before
    assert kept < allowed, f"{kept >> 20} MiB more than before"
    Judge(driver, 254, models.reference(models.minilm_folder())).check(
        ["small [SEP] te\u0301xt"], Options()
    )


# ---- files ----

SAMPLE = ["unable to play the game", "Straße É e\u0301 中国 [SEP] [MASK]", "x" * 101, "a-b c's", ""]


def _load_and_compare(driver, folder, path=None):
    """The status. What both sides load must also give the same tokens."""
    loaded = driver.load(254, path or folder)
    if loaded.status != "OK":
        assert loaded.status in ("BAD_DATA", "UNSUPPORTED"), loaded
        assert len(loaded.error) > 15, "an error without a reason"
        return loaded.status
    try:
        reference = models.reference(folder)
    except BaseException:
        return "OK, refused by the reference"
    Judge(driver, 254, reference).check(SAMPLE, Options())
    return "OK"


def _mutations(data, count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(changed))
            kind = rng.randrange(6)
            if kind == 0:
                changed[at] = rng.randrange(256)
            elif kind == 1:
                del changed[at : at + rng.randint(1, 12)]
            elif kind == 2:
                changed[at:at] = rng.choice(
                    (b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"null", b"-1", b"1e9")
                )
            elif kind == 3:
                del changed[at:]
            elif kind == 4:
                changed[at:at] = changed[at : at + rng.randint(1, 40)]
            else:
                changed[at] ^= 1 << rng.randrange(8)
            if not changed:
                changed = bytearray(b"{")
        yield bytes(changed)


def test_mutated_tokenizer_json(driver, tmp_path, seed, long_run):
    data = json.dumps(models.small_json(), ensure_ascii=False).encode()
    path = tmp_path / "tokenizer.json"
    seen = {}
    for changed in _mutations(data, 20_000 if long_run else 1200, seed):
        path.write_bytes(changed)
        try:
            status = _load_and_compare(driver, tmp_path)
        except (DriverDied, AssertionError) as error:
            kept = tmp_path / "failed.json"
            kept.write_bytes(changed)
            raise AssertionError(f"{error}: see {kept}") from error
        seen[status] = seen.get(status, 0) + 1
    assert seen.get("BAD_DATA", 0) > 100 and seen.get("OK", 0) > 30, seen


def _replaced(path_in_document, value):
    document = models.small_json()
    place = document
    for key in path_in_document[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path_in_document[-1]]
    else:
        place[path_in_document[-1]] = value
    return document


PLACES = [
    ("model",), ("model", "type"), ("model", "vocab"), ("model", "vocab", "the"), ("model", "unk_token"),
    ("model", "continuing_subword_prefix"), ("model", "max_input_chars_per_word"), ("normalizer",),
    ("normalizer", "type"), ("normalizer", "lowercase"), ("normalizer", "strip_accents"), ("pre_tokenizer",),
    ("pre_tokenizer", "type"), ("post_processor", "type"), ("post_processor", "single"),
    ("post_processor", "pair"), ("post_processor", "special_tokens"), ("post_processor", "special_tokens", "[CLS]"),
    ("post_processor", "special_tokens", "[CLS]", "ids"), ("post_processor", "single", 0), ("decoder",),
    ("decoder", "type"), ("decoder", "prefix"), ("added_tokens",), ("added_tokens", 0),
    ("added_tokens", 0, "id"), ("added_tokens", 0, "content"), ("added_tokens", 0, "special"),
    ("added_tokens", 0, "lstrip"), ("version",), ("truncation",), ("padding",),
]  # fmt: skip
VALUES = (
    KeyError, None, True, 0, -1, 2**31, 2**32, 2**63, 10**400, 1.5, "", "x", "[UNK]", "x" * 70_000, [], {}, [[]], [None], {"x": 1},
    {"id": "[CLS]", "ids": [], "tokens": []}, {"id": "[CLS]", "ids": [-1], "tokens": ["x"]},
    {"id": "[CLS]", "ids": [99999999999], "tokens": ["x"]}, {"SpecialToken": {"id": "nobody", "type_id": 0}},
    {"Sequence": {"id": "C", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 70000}}, ["a"] * 3,
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_wrong_values_everywhere(place, driver, tmp_path):
    for number, value in enumerate(VALUES):
        document = _replaced(place, value)
        folder = models.write_json(tmp_path / str(number), document)
        try:
            _load_and_compare(driver, folder)
        except (DriverDied, AssertionError) as error:
            raise AssertionError(
                f"{'.'.join(map(str, place))} = {str(value)[:60]}: {error}"
            ) from error


@pytest.mark.parametrize("number", (2**31 - 1, 2**31 - 2, 2**30, 10**8))
def test_huge_ids_do_not_take_huge_memory(number, driver, tmp_path):
    """4 bytes a slot up to the highest id would be gigabytes."""
    loaded = driver.load(
        254, models.write_json(tmp_path, _replaced(("model", "vocab", "the"), number))
    )
    assert loaded.status in ("OK", "BAD_DATA", "UNSUPPORTED")
    status = (
        line for line in open(f"/proc/{driver.process.pid}/status") if line.startswith("VmRSS")
    )
    resident = int(next(status).split()[1]) // 1024
    driver.load(254, models.write_json(tmp_path / "again", models.small_json()))
    assert resident < 3000, f"{resident} MiB resident"


def test_ids_that_no_token_has_are_refused(driver, tmp_path):
    """The post-processor may name any id; one that does not exist would be out of the model's table."""
    for number, wrong in enumerate((99_999, 2**31 - 1)):
        document = _replaced(("post_processor", "special_tokens", "[CLS]", "ids"), [wrong])
        loaded = driver.load(254, models.write_json(tmp_path / f"template {number}", document))
        assert loaded.status == "BAD_DATA", loaded
        document = models.small_json()
        document["post_processor"] = {
            "type": "BertProcessing",
            "sep": ["[SEP]", wrong],
            "cls": ["[CLS]", 2],
        }
        loaded = driver.load(254, models.write_json(tmp_path / f"bert {number}", document))
        assert loaded.status == "BAD_DATA", loaded


def test_zero_bytes_in_tokens_are_refused_or_equal(driver, tmp_path):
    """Never cut at the zero byte."""
    for number, content in enumerate(("a\0b", "\0", "\0a")):
        document = models.small_json()
        document["added_tokens"].append(models.added_token(900, content))
        folder = models.write_json(tmp_path / str(number), document)
        if _load_and_compare(driver, folder) == "OK":
            judge = Judge(driver, 254, models.reference(folder))
            judge.check(["xa\0by", "a", "\0", "a\0b"], Options())


def test_truncated_tokenizer_json(driver, tmp_path, long_run):
    data = json.dumps(models.small_json(), ensure_ascii=False).encode()
    path = tmp_path / "tokenizer.json"
    for size in range(0, len(data), 1 if long_run else 13):
        path.write_bytes(data[:size])
        loaded = driver.load(254, tmp_path)
        assert loaded.status == "BAD_DATA" and "tokenizer.json" in loaded.error, (size, loaded)


def test_deeply_nested_json(driver, tmp_path):
    for text in (
        "[" * 100_000,
        '{"model":' * 100_000,
        '{"model": ' + "[" * 5000 + "]" * 5000 + "}",
    ):
        (tmp_path / "tokenizer.json").write_text(text)
        assert driver.load(254, tmp_path).status == "BAD_DATA"


BAD_VOCABULARIES = {
    "empty": b"",
    "blank lines": b"\n\n\n",
    "no unknown token": b"a\nb\n[CLS]\n[SEP]\n",
    "not UTF-8": b"[UNK]\n[CLS]\n[SEP]\n\xff\xfe\n",
    "zero bytes": b"\0" * 1000,
}


@pytest.mark.parametrize("name", BAD_VOCABULARIES)
def test_bad_vocab_txt(name, driver, tmp_path):
    (tmp_path / "vocab.txt").write_bytes(BAD_VOCABULARIES[name])
    loaded = driver.load(254, tmp_path)
    assert loaded.status == "BAD_DATA" and "vocab.txt" in loaded.error, loaded


@pytest.mark.parametrize("text", ("", "[]", "{", "nul", '{"do_lower_case": "yes"}', '{"do_lower_case": {}}', '{"unk_token": 3}',
                                  '{"cls_token": "nowhere in the vocabulary"}'))  # fmt: skip
def test_bad_tokenizer_config(text, driver, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n")
    (tmp_path / "tokenizer_config.json").write_text(text)
    loaded = driver.load(254, tmp_path)
    assert loaded.status == "BAD_DATA" and len(loaded.error) > 15, loaded


def test_files_that_are_not_there(driver, tmp_path):
    for path in (tmp_path, tmp_path / "tokenizer.json", tmp_path / "nowhere" / "deep"):
        loaded = driver.load(254, path)
        assert loaded.status == "NO_INPUT" and str(path) in loaded.error, loaded
