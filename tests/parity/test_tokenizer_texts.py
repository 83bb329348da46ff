"""Real text in many scripts and random strings: equal to the reference in everything."""

import pytest

import tokenizer_texts as texts
from tokenizer_client import Options

SHORT_RANDOM = 65_000
LONG_RANDOM = 1_000_000
GENERATORS = [*texts.GENERATORS, "vocabulary_glued"]


def _random(judge, name, count, seed):
    if name == "vocabulary_glued":
        generator = texts.vocabulary_words(judge.reference.tokenizer.get_vocab())
    else:
        generator = texts.GENERATORS[name]
    return texts.random_texts(generator, count, f"{name} {seed}")


def test_english_fortunes(minilm):
    minilm.check(texts.english_fortunes(), Options())


@pytest.mark.parametrize("vocabulary", ("minilm", "characters"))
@pytest.mark.parametrize("script", texts.REAL_SCRIPTS)
def test_real_text(script, vocabulary, request, long_run):
    sample = texts.script_texts(script)
    assert len(sample) >= 200 and sum(map(len, sample)) >= 2000
    if not long_run:
        sample = sample[:: max(1, len(sample) // 1500)]
    request.getfixturevalue(vocabulary).check(sample, Options())


@pytest.mark.parametrize("script", texts.SYNTHETIC_SCRIPTS)
def test_made_text(script, characters):
    characters.check(texts.synthetic_texts(script), Options())


@pytest.mark.parametrize("name", GENERATORS)
def test_random_strings(name, minilm, characters, long_run, seed):
    count = (LONG_RANDOM if long_run else SHORT_RANDOM) // len(GENERATORS) + 1
    minilm.check(_random(minilm, name, count, seed), Options())
    characters.check(_random(minilm, name, count // 4, f"characters {seed}"), Options())


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("special", (True, False))
@pytest.mark.parametrize("special_as_text", (True, False))
def test_random_strings_with_other_switches(name, special, special_as_text, minilm, seed):
    sample = _random(minilm, name, 500, f"switches {seed}")
    minilm.check(sample, Options(special=special, special_as_text=special_as_text))
    minilm.check(sample, Options(special=special, special_as_text=special_as_text, offsets="none"))


def test_empty_and_blank(minilm):
    blanks = ["", " ", "\n", "\u200b", "\u0301", " \u0301 ", "\0", "\ufeff", "[SEP]", " [SEP] "]
    for special in (True, False):
        minilm.check(blanks, Options(special=special))
        minilm.check([(a, b) for a in blanks for b in blanks], Options(special=special))


@pytest.mark.parametrize("name", GENERATORS)
def test_pairs(name, minilm, seed):
    first = _random(minilm, name, 600, f"first {seed}")
    second = _random(minilm, "everything", 600, f"second {seed}")
    for special in (True, False):
        minilm.check(list(zip(first, second)), Options(special=special))


@pytest.mark.parametrize("name", GENERATORS)
def test_byte_offsets(name, minilm, seed):
    """The same places as in characters, in bytes of the text."""
    sample = _random(minilm, name, 400, f"bytes {seed}")
    sample += list(zip(sample, reversed(sample)))
    in_characters = minilm.driver.encode(minilm.slot, sample, Options())
    in_bytes = minilm.driver.encode(minilm.slot, sample, Options(offsets="bytes"))
    for case, one, other in zip(sample, in_characters, in_bytes):
        assert _in_bytes(case, one.windows[0]) == _pairs(other.windows[0]), repr(case)


def _pairs(window):
    flat = memoryview(window.offsets).cast("I").tolist()
    return list(zip(flat[::2], flat[1::2]))


def _in_bytes(case, window):
    parts = case if isinstance(case, tuple) else (case,)
    maps = [_byte_positions(part) for part in parts]
    return [
        (maps[which][begin], maps[which][end]) if not special else (begin, end)
        for (begin, end), which, special in zip(
            _pairs(window), window.type_ids, window.special_mask
        )
    ]


def _byte_positions(text):
    positions = [0]
    for character in text:
        positions.append(positions[-1] + len(character.encode("utf-8")))
    return positions


def test_one_session_and_fresh_sessions_agree(minilm, seed):
    """Nothing that one text leaves in the session's cache may change the next one."""
    sample = _random(minilm, "everything", 400, f"fresh {seed}")
    for options in (Options(), Options(special_as_text=True)):
        fresh = Options(special_as_text=options.special_as_text, fresh_session=True)
        minilm.check(sample, fresh)
        minilm.check(sample, options)
        minilm.check(list(reversed(sample)), options)
