"""Byte-level BPE on real text, source code and random strings: ids, offsets and the boundaries of
pre-tokens are those of Hugging Face tokenizers; ids are those of tiktoken."""

import pytest
import tiktoken
from tokenizers import pre_tokenizers

import tokenizer_byte_level_texts as byte_texts
import tokenizer_gpt2
import tokenizer_texts as texts
from tokenizer_client import Options

SHORT_RANDOM = 40_000
LONG_RANDOM = 1_000_000
VARIANTS = ("gpt2", "gpt2_prefixed", "roberta", "roberta_prefixed")
STANDARD_LIBRARY_BYTES = (1_500_000, 100_000_000)


def check_boundaries(judge, sample):
    """Ids alone would hide a wrong class where both sides of a cut become the same tokens."""
    add_prefix_space = judge.document["pre_tokenizer"]["add_prefix_space"]
    split = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space).pre_tokenize_str
    for text, sizes in zip(sample, judge.driver.split(judge.slot, sample)):
        assert sizes == [len(piece) for piece, _ in split(text)], repr(text)


def check(judge, sample, boundaries_of=1):
    judge.check(sample, Options())
    check_boundaries(judge, sample[::boundaries_of])


@pytest.fixture(scope="module")
def oracle():
    pattern = "".join(  # as tiktoken's own gpt2.py has it, but for the download
        ("'(?:[sdmt]|ll|ve|re)", r"| ?\p{L}+", r"| ?\p{N}+", r"| ?[^\s\p{L}\p{N}]+",
         r"|\s+(?!\S)|\s+")
    )  # fmt: skip
    return tiktoken.Encoding(
        "gpt2-of-the-tests",
        pat_str=pattern,
        mergeable_ranks=tokenizer_gpt2.ranks(),
        special_tokens={tokenizer_gpt2.END_OF_TEXT: tokenizer_gpt2.GPT2_TOKENS},
    )


def check_tiktoken(oracle, judge, sample):
    """Only on real text: its Unicode version is another one than Hugging Face's, which decides."""
    answers = judge.driver.encode(judge.slot, sample, Options(special_as_text=True, offsets="none"))
    for text, answer in zip(sample, answers):
        ours = memoryview(answer.windows[0].ids).cast("i").tolist()
        assert ours == oracle.encode_ordinary(text), repr(text[:200])


def test_the_vocabulary_is_gpt2s():
    """Merges replayed from the ranks: their number, the first ones and the last are known."""
    merges = tokenizer_gpt2.merges()
    assert len(merges) == 50_000 and merges[:3] == (("Ġ", "t"), ("Ġ", "a"), ("h", "e"))
    assert merges[-1] == ("Ġg", "azed")
    assert tokenizer_gpt2.vocabulary()["Ġworld"] == 995


def test_english_fortunes(gpt2, oracle):
    sample = texts.english_fortunes()
    check(gpt2, sample)
    check_tiktoken(oracle, gpt2, sample)


@pytest.mark.parametrize("script", texts.REAL_SCRIPTS)
def test_real_text(script, gpt2, oracle, long_run):
    sample = texts.script_texts(script)
    assert len(sample) >= 200 and sum(map(len, sample)) >= 2000
    if not long_run:
        sample = sample[:: max(1, len(sample) // 1200)]
    check(gpt2, sample)
    check_tiktoken(oracle, gpt2, sample)


@pytest.mark.parametrize("script", texts.SYNTHETIC_SCRIPTS)
def test_made_text(script, gpt2):
    check(gpt2, texts.synthetic_texts(script, 200))


def test_source_code(gpt2, oracle, long_run):
    """Whole files, and line by line."""
    sample = byte_texts.own_sources() + byte_texts.standard_library(
        STANDARD_LIBRARY_BYTES[long_run]
    )
    check(gpt2, sample, 1 if long_run else 4)
    check_tiktoken(oracle, gpt2, sample)
    lines = [line for text in sample[:: 1 if long_run else 40] for line in text.split("\n")]
    check(gpt2, lines)


@pytest.mark.parametrize("name", byte_texts.GENERATORS)
def test_random_strings(name, request, long_run, seed):
    count = (LONG_RANDOM if long_run else SHORT_RANDOM) // len(byte_texts.GENERATORS)
    for variant in VARIANTS:
        share = count // 2 if variant == "gpt2" else count // 6
        judge = request.getfixturevalue(variant)
        check(judge, byte_texts.random_texts(name, share, f"{variant} {seed}"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_random_strings_with_other_switches(variant, request, seed):
    judge = request.getfixturevalue(variant)
    sample = byte_texts.mixed_texts(600, f"switches {seed}")
    for special in (True, False):
        for special_as_text in (True, False):
            judge.check(sample, Options(special=special, special_as_text=special_as_text))


@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs(variant, request, seed):
    judge = request.getfixturevalue(variant)
    sample = byte_texts.mixed_texts(500, f"pairs {seed}")
    pairs = list(zip(sample, reversed(sample))) + [("", ""), ("a", ""), ("", " b"), (" ", "\n")]
    for special in (True, False):
        judge.check(pairs, Options(special=special))


@pytest.mark.parametrize("variant", VARIANTS)
def test_byte_offsets(variant, request, seed):
    """The same places as in characters, in bytes of the text."""
    judge = request.getfixturevalue(variant)
    sample = byte_texts.mixed_texts(1500, f"bytes {seed}")
    in_characters = judge.driver.encode(judge.slot, sample, Options(special=False))
    in_bytes = judge.driver.encode(judge.slot, sample, Options(special=False, offsets="bytes"))
    for text, one, other in zip(sample, in_characters, in_bytes):
        places = [0]
        for character in text:
            places.append(places[-1] + len(character.encode()))
        expected = [places[at] for at in memoryview(one.windows[0].offsets).cast("I")]
        assert memoryview(other.windows[0].offsets).cast("I").tolist() == expected, repr(text)


@pytest.mark.parametrize("variant", VARIANTS)
def test_empty_and_blank(variant, request):
    judge = request.getfixturevalue(variant)
    blanks = ["", " ", "\n", "\u200b", "\u0301", " \u0301 ", "\0", "\ufeff", "<mask>", " <mask> "]
    check(judge, blanks + ["\n ", " \n", "\u3000", "\u3000 x", "'", " '", "'s", " 's"])
    judge.check([(a, b) for a in blanks for b in blanks], Options())


def test_one_session_and_fresh_sessions_agree(gpt2, seed):
    sample = byte_texts.mixed_texts(400, f"fresh {seed}")
    for as_text in (False, True):
        gpt2.check(sample, Options(special_as_text=as_text, fresh_session=True))
        gpt2.check(list(reversed(sample)), Options(special_as_text=as_text))
