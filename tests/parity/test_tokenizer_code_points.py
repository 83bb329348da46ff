"""Every one of the 1,112,064 Unicode scalars, in several places, with two vocabularies: the default
model's, and one of single characters that shows what [UNK] would hide."""

import itertools
import os

import pytest

from tokenizer_client import Options

SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CONTEXTS = {
    "alone": "{}",
    "inside_a_word": "a{}b",
    "doubled": "{0}{0}",
    "after_a_combining_sequence": "e\u0323\u0301{}",
    "before_combining_marks": "{}\u0301\u0323",
    "before_a_special_token": "{}[SEP]",
}
SHORT_FORM = (  # the rest is for the long form
    ("minilm", "alone"),
    ("minilm", "inside_a_word"),
    ("characters", "alone"),
    ("characters", "inside_a_word"),
    ("characters", "before_combining_marks"),
)
LONG_FORM = tuple(itertools.product(("minilm", "characters"), CONTEXTS))
IS_LONG = os.environ.get("FERRY_LONG", "") not in ("", "0")
PACKED = 24  # in the short form that many stand in one text, between spaces


def test_all_scalars_are_there():
    assert len(SCALARS) == 1_112_064


@pytest.mark.parametrize(("vocabulary", "context"), LONG_FORM if IS_LONG else SHORT_FORM)
def test_every_code_point(vocabulary, context, request, long_run):
    judge = request.getfixturevalue(vocabulary)
    texts = [CONTEXTS[context].format(scalar) for scalar in SCALARS]
    if not long_run:
        texts = [" ".join(texts[i : i + PACKED]) for i in range(0, len(texts), PACKED)]
    judge.check(texts, Options())
