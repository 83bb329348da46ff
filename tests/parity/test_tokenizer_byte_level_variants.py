"""Settings of tokenizer.json for byte-level BPE, one by one, against the reference; and what is
refused by name."""

import copy
import itertools
import random

import pytest

import tokenizer_byte_level_texts as byte_texts
import tokenizer_gpt2
import tokenizer_small_bpe as small
from tokenizer_client import Options

SLOT = 251
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TIKTOKEN_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


@pytest.fixture
def load(new_judge, tmp_path):
    numbers = itertools.count()
    return lambda document: new_judge(
        tokenizer_gpt2.write_json(tmp_path / str(next(numbers)), document)
    )


def check(judge, sample, decodes=True):
    for options in (Options(), Options(special_as_text=True), Options(5, 1, windows=True)):
        judge.check(sample, options)
    pairs = list(zip(sample[:60], sample[7:67]))
    for special in (True, False):
        judge.check(pairs, Options(special=special))
        judge.check(pairs, Options(12, windows=True, special=special))
    answers = judge.driver.encode(judge.slot, sample, Options()) if decodes else []
    rows = [memoryview(answer.windows[0].ids).cast("i").tolist() for answer in answers]
    for ids, result in zip(rows, judge.driver.decode(judge.slot, rows, False)):
        assert result == ("OK", judge.reference.tokenizer.decode(ids, skip_special_tokens=False))


def sample_of(name, count=150):
    own = ["the and playing the  'll", "   the", "\u3000  <mask> x", "aaaa aaa", "", " "]
    return own + byte_texts.mixed_texts(count, name)


@pytest.mark.parametrize("prefix", (False, True))
@pytest.mark.parametrize("trim", (False, True))
def test_prefix_space_and_trimming(prefix, trim, load):
    """Both settings are there twice, and need not be the same."""
    for trimmed_as_prefixed in (False, True):
        document = small.small_json(add_prefix_space=prefix, trim_offsets=trim)
        document["post_processor"]["add_prefix_space"] = trimmed_as_prefixed
        check(load(document), sample_of(f"{prefix} {trim}"))


@pytest.mark.parametrize("seed_of_model", range(12))
def test_wild_merges(seed_of_model, load, seed):
    """Short and long pre-tokens, merged in two ways, must obey any list of merges."""
    rng = random.Random(f"wild {seed_of_model} {seed}")
    judge = load(small.wild_json(rng, rng.choice((5, 20, 80, 300))))
    judge.check([small.wild_text(rng) for _ in range(400)], Options())
    judge.check([small.wild_text(rng).replace(" ", "") * 3 for _ in range(200)], Options())


def test_merges_as_strings(load):
    document = small.small_json()
    merges = document["model"]["merges"]
    document["model"]["merges"] = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    check(load(document), sample_of("strings"))
    del document["model"]["type"]
    check(load(document), sample_of("without a type"))


@pytest.mark.parametrize("ignore", (False, True))
def test_tokens_that_merges_do_not_reach(ignore, load):
    """With ignore_merges a pre-token that is in the vocabulary is that token, else never."""
    document = small.small_json()
    vocabulary = document["model"]["vocab"]
    for word in ("Ġxyz", "xyz", "theand", "\u00c3\u00a9\u00c3\u00a9", "b" * 300, "Ċ", "9876"):
        vocabulary.setdefault(word, len(vocabulary) + 10)
    document["model"]["ignore_merges"] = ignore
    sample = ["xyz xyz", "theand theand", "\u00e9\u00e9 \u00e9", "b" * 300, "b" * 301, "9876 98"]
    check(load(document), sample + sample_of("unreachable"))


@pytest.mark.parametrize("fuse", (False, True))
def test_bytes_without_a_token(fuse, load):
    document = small.small_json()
    model = document["model"]
    for character in ("q", "z", "\u00c3", "\u00a9", "Ċ", "9"):
        del model["vocab"][character]
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]
                       and all(part in model["vocab"] for part in pair)]  # fmt: skip
    model["vocab"]["<unk>"] = 5000
    model["unk_token"] = "<unk>"
    model["fuse_unk"] = fuse
    judge = load(document)
    letters = "qz\u00e9\n9ab the"
    rng = random.Random(f"unknown {fuse}")
    sample = ["".join(rng.choice(letters) for _ in range(rng.randint(0, 200))) for _ in range(300)]
    judge.check(sample, Options())


def _split(pattern, **changes):
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return part | changes


@pytest.mark.parametrize("pattern", (GPT2_PATTERN, TIKTOKEN_PATTERN))
def test_split_before_byte_level(pattern, load):
    document = small.small_json()
    plain = BYTE_LEVEL | {"use_regex": False}
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [_split(pattern), plain]}
    check(load(document), sample_of("split"))


def test_sequences_of_one(load):
    document = small.small_json(trim_offsets=True)
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [document["pre_tokenizer"]]}
    document["post_processor"] = {"type": "Sequence", "processors": [document["post_processor"]]}
    document["normalizer"] = {"type": "Sequence", "normalizers": []}
    check(load(document), sample_of("one"))


def _template(number):
    token = {"SpecialToken": {"id": "<mask>", "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": kind}} for kind, name in enumerate("AB"))
    names = {"<mask>": {"id": "<mask>", "ids": [number], "tokens": ["<mask>"]}}
    return {"type": "TemplateProcessing", "single": [token, first], "pair": [token, first, token, second],
            "special_tokens": names}  # fmt: skip


@pytest.mark.parametrize("trim", (False, True))
def test_templates(trim, load):
    document = small.small_json(trim_offsets=trim)
    template = _template(document["added_tokens"][1]["id"])
    byte_level = document["post_processor"]
    document["post_processor"] = template
    check(load(document), sample_of("template"))
    document["post_processor"] = {"type": "Sequence", "processors": [byte_level, template]}
    check(load(document), sample_of("template behind ByteLevel"))


@pytest.mark.parametrize("part", ("post_processor", "decoder"))
def test_a_part_that_is_not_there(part, load):
    document = small.small_json()
    document[part] = None
    judge = load(document)
    check(judge, sample_of(part))
    if part == "decoder":
        assert judge.driver.stream(judge.slot, [[1]], False)[0][0] == "UNSUPPORTED"


ADDED = {
    "words": [("new", {}), ("the", {}), ("ing ", {}), (" and", {})],
    "whole words": [("new", {"single_word": True}), ("the", {"single_word": True, "normalized": True})],
    "strip": [("[x]", {"lstrip": True}), ("[y]", {"rstrip": True}), ("[z]", {"lstrip": True, "rstrip": True})],
    "normalized strip": [("[x]", {"lstrip": True, "normalized": True}), ("[y]", {"rstrip": True}),
                         ("[z]", {"rstrip": True, "normalized": True})],
    "overlapping kinds": [("ab", {"normalized": True}), ("bc", {}), ("abcd", {"normalized": True}), ("x", {})],
    "spaces within": [(" x ", {}), ("\u3000y", {"normalized": True}), ("z\n", {"lstrip": True})],
    "specials": [("[s]", {"special": True}), ("[t]", {"special": True, "normalized": True})],
    "other letters": [("\u00e9", {}), ("\u4e2d\u56fd", {"normalized": True}), ("Ġx", {}), ("\U0001f600", {})],
    "begins in blanks that are taken": [("[y]", {"rstrip": True}), (" x", {}), ("<a", {"lstrip": True, "normalized": True})],
    "as long without its blank": [("[y]", {"rstrip": True, "normalized": True}), ("z", {}),
                                  (" x", {"lstrip": True, "rstrip": True, "normalized": True})],
    "begins of each other": [("<a", {}), ("<ab", {"normalized": True}), ("<abc>", {}), ("<", {"single_word": True})],
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("prefix", (False, True))
def test_added_tokens(name, prefix, load, seed):
    document = small.small_json(add_prefix_space=prefix, trim_offsets=True)
    first = len(document["model"]["vocab"]) + 2
    for number, (content, flags) in enumerate(ADDED[name]):
        added = tokenizer_gpt2.added_token(first + number, content, **flags)
        document["added_tokens"].append(added)
    rng = random.Random(f"{name} {seed}")
    glue = ["", " ", "  ", "\n", "a", "the", ".", "\u00e9", "\u3000", "_", "<mask>", "'s"]
    parts = [content for content, _ in ADDED[name]] + glue
    sample = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(500)]
    check(load(document), sample)


def test_ids_of_new_tokens_where_the_vocabulary_has_gaps(load):
    """They follow the size of the vocabulary, not its highest id, also where one is taken."""
    document = small.small_json()
    words = document["model"]["vocab"]
    count = len(words) + 3
    words |= {"<high>": 5 * count, "<next>": count + 1, "[low]": 3 * count}
    names = ("<high>", "<new>", "[low]", "<newer>")
    document["added_tokens"] = [tokenizer_gpt2.added_token(0, name) for name in names]
    judge = load(document)
    check(judge, ["".join(names), "a<new> <newer>b"])
    rows = [[count, count + 1, 5 * count, 3 * count]]
    expected = [("OK", judge.reference.tokenizer.decode(rows[0]))]
    assert judge.driver.decode(judge.slot, rows, False) == expected


def _changed(path, value):
    document = copy.deepcopy(small.small_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def _pre_tokenizer(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PLAIN = BYTE_LEVEL | {"use_regex": False}
REFUSED = {
    "byte_fallback": (("model", "byte_fallback"), True, "byte_fallback"),
    "dropout": (("model", "dropout"), 0.1, "dropout"),
    "prefix": (("model", "continuing_subword_prefix"), "##", "continuing_subword_prefix"),
    "suffix": (("model", "end_of_word_suffix"), "</w>", "end_of_word_suffix"),
    "normalizer": (("normalizer",), {"type": "NFC"}, "NFC"),
    "no pre-tokenizer": (("pre_tokenizer",), None, "null"),
    "other pre-tokenizer": (("pre_tokenizer",), {"type": "Whitespace"}, "Whitespace"),
    "no pattern": (("pre_tokenizer",), PLAIN, "ByteLevel"),
    "cl100k": (("pre_tokenizer",), _pre_tokenizer(_split(CL100K), PLAIN), "Split"),
    "removed": (("pre_tokenizer",), _pre_tokenizer(_split(GPT2_PATTERN, behavior="Removed"), PLAIN), "Split"),
    "inverted": (("pre_tokenizer",), _pre_tokenizer(_split(GPT2_PATTERN, invert=True), PLAIN), "Split"),
    "twice": (("pre_tokenizer",), _pre_tokenizer(_split(GPT2_PATTERN), BYTE_LEVEL), "use_regex"),
    "digits": (("pre_tokenizer",), _pre_tokenizer({"type": "Digits", "individual_digits": True}, BYTE_LEVEL), "Digits"),
    "prefixed pieces": (("pre_tokenizer",), _pre_tokenizer(_split(GPT2_PATTERN), PLAIN | {"add_prefix_space": True}),
                        "add_prefix_space"),
    "decoder": (("decoder",), {"type": "WordPiece", "prefix": "##", "cleanup": True}, "WordPiece"),
    "post-processors": (("post_processor",), {"type": "Sequence", "processors": [BYTE_LEVEL, BYTE_LEVEL]}, "Sequence"),
    "model": (("model", "type"), "Unigram", "Unigram"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_named(name, driver, tmp_path):
    path, value, named = REFUSED[name]
    loaded = driver.load(SLOT, tokenizer_gpt2.write_json(tmp_path, _changed(path, value)))
    assert loaded.status == "UNSUPPORTED" and named in loaded.error, loaded


def test_a_byte_without_a_token_is_named(driver, tmp_path):
    document = small.small_json()
    del document["model"]["vocab"]["q"]
    loaded = driver.load(SLOT, tokenizer_gpt2.write_json(tmp_path, document))
    assert loaded.status == "UNSUPPORTED" and "0x71" in loaded.error, loaded
