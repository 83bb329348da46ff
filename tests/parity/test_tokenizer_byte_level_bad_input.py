"""Broken UTF-8 and broken files for byte-level tokenizers: a typed error that says where, never a
crash; and nothing that grows faster than the text."""

import itertools
import json
import random
import time

import pytest

import tokenizer_byte_level_texts as byte_texts
import tokenizer_gpt2
import tokenizer_models
import tokenizer_small_bpe as small
from test_tokenizer_bad_input import BROKEN, VALUES, _check_answer, _mutations
from tokenizer_client import DriverDied, Options
from tokenizer_oracle import Judge

SLOT = 253
OPTIONS = (
    Options(),
    Options(offsets="none"),
    Options(64, side="left"),
    Options(64, 4, windows=True),
)


def _broken_texts(seed, count):
    rng = random.Random(seed)
    generators = list(byte_texts.GENERATORS.values())
    for _ in range(count):
        head, tail = (rng.choice(generators)(rng).encode() for _ in range(2))
        yield head + rng.choice(BROKEN) + tail
    for _ in range(count):
        data = bytearray(rng.choice(generators)(rng).encode() or b"x")
        data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data[: rng.randint(0, len(data))])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_broken_utf8(options, gpt2, roberta_prefixed, seed, long_run):
    sample = list(_broken_texts(seed, 20_000 if long_run else 1500))
    for judge in (gpt2, roberta_prefixed):
        for case, answer in zip(sample, judge.driver.encode(judge.slot, sample, options)):
            _check_answer(case, answer)


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_utf8_at_every_place(broken, gpt2, roberta_prefixed):
    frames = [(b"", b""), (b"abc", b"def"), (b"abc ", b" def"), (b"<mask>", b"<mask>"), (b"", b" x"),
              (b" ", b""), (b"x " * 40, b""), (b"'", b"s"), (b"y" * 2040, b" z"), (b"\n" * 70, b"\n")]  # fmt: skip
    sample = [head + broken + tail for head, tail in frames]
    for judge in (gpt2, roberta_prefixed):
        for options in OPTIONS:
            for case, answer in zip(sample, judge.driver.encode(judge.slot, sample, options)):
                _check_answer(case, answer)


LARGE_TEXTS = {
    "full stops": "." * 10_000_000,
    "words": "word " * 2_000_000,
    "no spaces": "abcdefghij" * 1_000_000,
    "spaces": " " * 10_000_000,
    "one letter": "a" * 10_000_000,
    "Han": "\u4e2d\u56fd" * 1_500_000,
    "line feeds": "\n" * 10_000_000,
    "special tokens": "<|endoftext|>" * 700_000,
    "contractions": "'s" * 5_000_000,
}


@pytest.mark.parametrize("name", LARGE_TEXTS)
def test_memory_of_a_large_text_is_given_back(name, driver, gpt2, long_run):
    """10 MB of text (2 MB in the short form), read whole within the driver's 30 seconds; trimmed, the process is as small as
    before."""
    folder = gpt2.driver.loaded_paths[gpt2.slot][0]
    assert driver.load(SLOT, folder).status == "OK"
    before = driver.trim(SLOT, 0)
    text = LARGE_TEXTS[name][: None if long_run else 2_000_000]
    answer = driver.encode(SLOT, [text], Options(offsets="none"))[0]
    assert answer.status == "OK"
    ids = memoryview(answer.windows[0].ids).cast("i").tolist()
    assert driver.decode(SLOT, [ids], False) == [("OK", text)]
    allowed = (96 << 20) + 40 * len(ids) + 2 * len(text)  # the driver keeps command and answer
    assert driver.trim(SLOT, 1 << 20) - before < allowed


def test_worst_cases_are_nearly_linear(gpt2):
    """A megabyte in one pre-token costs, by the byte, at most a few times what 64 KiB cost."""
    for name in ("one letter", "spaces", "no spaces", "full stops", "Han"):
        costs = []
        for size in (1 << 16, 1 << 20):
            text = LARGE_TEXTS[name][:size]
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                gpt2.driver.encode(gpt2.slot, [text], Options(offsets="none"))
                times.append(time.perf_counter() - begin)
            costs.append(min(times) / size)
        assert costs[1] < 6 * costs[0] + 1e-8, f"{name}: {costs} seconds a byte"


# ---- files ----

SAMPLE = [
    "the and the  'll xyz",
    "Stra\u00dfe \u00c9 e\u0301 \u4e2d <mask> x",
    "a" * 301,
    "a-b c's",
    "",
]


def _load_and_compare(driver, folder, path=None):
    loaded = driver.load(SLOT, path or folder)
    if loaded.status != "OK":
        assert loaded.status in ("BAD_DATA", "UNSUPPORTED"), loaded
        assert len(loaded.error) > 15, "an error without a reason"
        return loaded.status
    try:
        reference = tokenizer_models.reference(folder)
        expected = reference.encode(SAMPLE, Options())
    except BaseException:
        return "OK, refused by the reference"
    assert expected
    Judge(driver, SLOT, reference).check(SAMPLE, Options())
    return "OK"


def _other_digits(data, count, seed):
    """Changes that leave most files sound: ids that jump, ranks that move."""
    rng = random.Random(seed)
    digits = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    for _ in range(count):
        changed = bytearray(data)
        changed[rng.choice(digits)] = ord(rng.choice("0123456789"))
        yield bytes(changed)


def test_mutated_tokenizer_json(driver, tmp_path, seed, long_run):
    data = json.dumps(small.small_json(trim_offsets=True), ensure_ascii=False).encode()
    path = tmp_path / "tokenizer.json"
    seen = {}
    mutations = _mutations(data, 20_000 if long_run else 400, f"bpe {seed}")
    for changed in itertools.chain(mutations, _other_digits(data, 200, f"digits {seed}")):
        path.write_bytes(changed)
        try:
            status = _load_and_compare(driver, tmp_path)
        except (DriverDied, AssertionError) as error:
            kept = tmp_path / "failed.json"
            kept.write_bytes(changed)
            raise AssertionError(f"{error}: see {kept}") from error
        seen[status] = seen.get(status, 0) + 1
    assert seen.get("BAD_DATA", 0) > 50 and seen.get("OK", 0) > 5, seen


def _replaced(place_in_document, value):
    document = small.small_json(trim_offsets=True)
    place = document
    for key in place_in_document[:-1]:
        place = place[key]
    if value is KeyError:
        del place[place_in_document[-1]]
    else:
        place[place_in_document[-1]] = value
    return document


PLACES = [
    ("model",), ("model", "type"), ("model", "vocab"), ("model", "vocab", "the"), ("model", "merges"),
    ("model", "merges", 0), ("model", "merges", 0, 1), ("model", "unk_token"), ("model", "fuse_unk"),
    ("model", "dropout"), ("model", "byte_fallback"), ("model", "ignore_merges"),
    ("model", "continuing_subword_prefix"), ("model", "end_of_word_suffix"), ("normalizer",), ("pre_tokenizer",),
    ("pre_tokenizer", "type"), ("pre_tokenizer", "add_prefix_space"), ("pre_tokenizer", "use_regex"),
    ("post_processor",), ("post_processor", "type"), ("post_processor", "trim_offsets"),
    ("post_processor", "add_prefix_space"), ("decoder",), ("decoder", "type"), ("added_tokens",),
    ("added_tokens", 0), ("added_tokens", 0, "id"), ("added_tokens", 0, "content"), ("added_tokens", 0, "normalized"),
    ("version",), ("truncation",), ("padding",),
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_wrong_values_everywhere(place, driver, tmp_path, long_run):
    for number, value in enumerate(VALUES[:: 1 if long_run else 3]):
        folder = tokenizer_gpt2.write_json(tmp_path / str(number), _replaced(place, value))
        try:
            _load_and_compare(driver, folder)
        except (DriverDied, AssertionError) as error:
            where = ".".join(map(str, place))
            raise AssertionError(f"{where} = {str(value)[:60]}: {error}") from error


def _older_files(folder):
    model = small.small_model()
    folder.mkdir(parents=True, exist_ok=True)
    words = json.dumps(model["vocab"], ensure_ascii=False).encode()
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]) + "\n"
    files = {"vocab.json": words, "merges.txt": merges.encode()}
    files["tokenizer_config.json"] = json.dumps({
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "pad_token": "<p>",
        "added_tokens_decoder": {"900": {"content": "<x>", "lstrip": True, "special": True}},
    }).encode()  # fmt: skip
    files["special_tokens_map.json"] = b'{"bos_token": "<b>", "additional_special_tokens": ["<y>"]}'
    files["added_tokens.json"] = b'{"<z>": 901}'
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


@pytest.mark.parametrize("name", ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
                                  "added_tokens.json"))  # fmt: skip
def test_mutated_older_files(name, driver, tmp_path, seed, long_run):
    files = _older_files(tmp_path)
    if name in ("special_tokens_map.json", "added_tokens.json"):
        (tmp_path / "tokenizer_config.json").unlink()
    seen = set()
    for changed in _mutations(files[name], 5000 if long_run else 300, f"{name} {seed}"):
        (tmp_path / name).write_bytes(changed)
        loaded = driver.load(SLOT, tmp_path)
        seen.add(loaded.status)
        if loaded.status == "OK":
            answers = driver.encode(SLOT, SAMPLE, Options())
            assert all(answer.status == "OK" for answer in answers), changed
        else:
            assert loaded.status in ("BAD_DATA", "UNSUPPORTED") and len(loaded.error) > 15, loaded
    assert "BAD_DATA" in seen or name == "added_tokens.json", seen


def test_mutated_rank_file(driver, tmp_path, seed, long_run):
    data = b"\n".join(tokenizer_gpt2.rank_file().read_bytes().split(b"\n")[:400]) + b"\n"
    path = tmp_path / "small.tiktoken"
    seen = set()
    for changed in _mutations(data, 10_000 if long_run else 600, f"ranks {seed}"):
        path.write_bytes(changed)
        loaded = driver.load(SLOT, path)
        seen.add(loaded.status)
        if loaded.status == "OK":
            assert driver.encode(SLOT, SAMPLE, Options())[0].status == "OK"
        else:
            assert loaded.status in ("BAD_DATA", "UNSUPPORTED") and len(loaded.error) > 15, loaded
    assert seen >= {"OK", "BAD_DATA"}, seen


MERGES = {
    "no space": b"#version: 0.2\nth\n", "two spaces": b"t h e\n", "a blank line": b"t h\n\n",
    "a token that is not there": b"t qqq\n", "a result that is not there": b"q q\n", "broken": b"\xff \xfe\n",
}  # fmt: skip


@pytest.mark.parametrize("name", MERGES)
def test_bad_merges(name, driver, tmp_path):
    _older_files(tmp_path)
    (tmp_path / "merges.txt").write_bytes(MERGES[name])
    loaded = driver.load(SLOT, tmp_path)
    assert loaded.status == "BAD_DATA" and "merges.txt line" in loaded.error, loaded


def test_half_of_the_files(driver, tmp_path):
    _older_files(tmp_path)
    (tmp_path / "merges.txt").unlink()
    loaded = driver.load(SLOT, tmp_path)
    assert loaded.status == "NO_INPUT" and "merges.txt" in loaded.error, loaded
