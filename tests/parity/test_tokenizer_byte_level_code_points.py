"""Every one of the 1,112,064 Unicode scalars in several places, with GPT-2's vocabulary: ids,
offsets and the boundaries of pre-tokens."""

import os

import pytest

from test_tokenizer_byte_level_texts import check, check_boundaries
from test_tokenizer_code_points import PACKED, SCALARS

CONTEXTS = {
    "alone": "{}",
    "inside_a_word": "a{}b",
    "doubled": "{0}{0}",
    "after_a_space": " {}",
    "inside_a_number": "1{}1",
    "inside_punctuation": "!{}!",
    "before_a_contraction": "{}'s",
    "after_white_space": "\n\n{} ",
}
IS_LONG = os.environ.get("FERRY_LONG", "") not in ("", "0")
BOUNDARIES = ("inside_a_word", "inside_punctuation")  # these two tell every class
SHARE = {
    "alone": 1,
    "doubled": 3,
    "after_a_space": 3,
}  # of the short form; one in ten of the others


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_code_point(context, gpt2, long_run):
    """In the short form many stand in one text, with a line feed and a letter between."""
    texts = [CONTEXTS[context].format(scalar) for scalar in SCALARS]
    if long_run:
        check(gpt2, texts)
        return
    packed = ["\nz".join(texts[i : i + PACKED]) for i in range(0, len(texts), PACKED)]
    if context in BOUNDARIES:
        check_boundaries(gpt2, packed)
    else:
        check(gpt2, packed[:: SHARE.get(context, 10)], boundaries_of=4)


@pytest.mark.parametrize("variant", ("gpt2_prefixed", "roberta_prefixed"))
def test_every_code_point_behind_a_space_that_is_not_there(variant, request, long_run):
    judge = request.getfixturevalue(variant)
    sample = SCALARS if long_run else SCALARS[:0x3000] + SCALARS[0x3000::61]
    check(judge, sample)
