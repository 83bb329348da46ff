#!/usr/bin/env python3
"""Writes tokenizer/split_classes.c: which characters are letters, numbers and white space for
GPT-2's split pattern, as the reference sees them.

The reference (the Python package `tokenizers`) takes the classes from its regular expression
library. This script asks it for every code point, through its public interface:

    python tools/generate-unicode/generate_split_classes.py > tokenizer/split_classes.c

It takes less than a minute. Run it again when the version of the reference changes.
"""

import sys

import tokenizers
from tokenizers import pre_tokenizers

from generate_unicode_tables import BLOCK_BITS, SCALARS, blocks_of, print_array

OTHER, LETTER, NUMBER, SPACE = range(4)


def measure() -> dict[int, int]:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    classes = {}
    for code in SCALARS:
        joined = {
            value: len(split(f"{around}{chr(code)}{around}")) == 1
            for value, around in ((LETTER, "a"), (NUMBER, "1"), (OTHER, "!"))
        }
        assert sum(joined.values()) <= 1, hex(code)
        classes[code] = next((value for value, one in joined.items() if one), SPACE)
    return classes


def main() -> None:
    classes = measure()
    index, stored = blocks_of([classes.get(code, OTHER) for code in range(0x110000)])
    assert len(stored) >> BLOCK_BITS <= 256
    print(
        "/* Written by tools/generate-unicode/generate_split_classes.py from the measured behaviour"
    )
    print(f" * of the Python package tokenizers {tokenizers.__version__}. Do not edit. */")
    print("/* clang-format off */")
    print('#include "tokenizer/split_classes.h"\n')
    print_array("const uint8_t", "ferry_split_block", index, 99)
    print_array("const uint8_t", "ferry_split_class", stored, 99)
    for name, value in (("letters", LETTER), ("numbers", NUMBER), ("spaces", SPACE)):
        print(f"{name}={sum(found == value for found in classes.values())}", file=sys.stderr)
    print(f"blocks={len(stored) >> BLOCK_BITS}", file=sys.stderr)


if __name__ == "__main__":
    main()
