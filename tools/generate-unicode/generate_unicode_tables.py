#!/usr/bin/env python3
"""Writes tokenizer/unicode_tables.c from the measured behaviour of the reference.

The reference (the Python package `tokenizers`) carries Unicode data of several old versions, so
that no Unicode library agrees with it. This script asks the reference itself, code point by code
point, through its public interface, and writes down the answers:

    python tools/generate-unicode/generate_unicode_tables.py > tokenizer/unicode_tables.c

It takes a few minutes. Run it again when the version of the reference changes.
"""

import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

REMOVED, WHITESPACE, IDEOGRAPH, NONSPACING, PUNCTUATION, WORD, LOWER, DECOMPOSED = (
    1 << bit for bit in range(8)
)
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic, not by table
BLOCK_BITS = 7


def bert(**options):
    plain = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**plain, **options})


def added_token_finder(**options):
    """Where an added token "<X>" with these options is found in a text, or None."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("<X>", normalized=False, **options)])

    def find(text):
        encoding = tokenizer.encode(text)
        spans = [o for i, o in zip(encoding.ids, encoding.offsets) if i != 0]
        return spans[0] if spans else None

    return find


def measure_flags():
    clean, chinese = bert(clean_text=True), bert(handle_chinese_chars=True)
    strip, lower, nfd = bert(strip_accents=True), bert(lowercase=True), normalizers.NFD()
    split = pre_tokenizers.BertPreTokenizer()
    single, left = added_token_finder(single_word=True), added_token_finder(lstrip=True)
    flags, lowered, decomposed = {}, {}, {}
    for code in SCALARS:
        char, value = chr(code), 0
        inside = f"a{char}b"
        if clean.normalize_str(inside) == "ab":
            value |= REMOVED
        if chinese.normalize_str(inside) == f"a {char} b":
            value |= IDEOGRAPH
        parts = len(split.pre_tokenize_str(inside))
        value |= {1: 0, 2: WHITESPACE, 3: PUNCTUATION}[parts]
        text = nfd.normalize_str(char)
        if text != char:
            value |= DECOMPOSED
            decomposed[code] = text
        elif strip.normalize_str(f"a{char}") == "a":
            value |= NONSPACING
        text = lower.normalize_str(char)
        if text != char:
            value |= LOWER
            lowered[code] = text
        if single(f"{char}<X>") is None:
            value |= WORD
        # Three properties that are one in the reference; a difference would need another flag.
        is_space = bool(value & WHITESPACE)
        assert (left(f"a{char}<X>")[0] == 1) == is_space, hex(code)
        assert (clean.normalize_str(inside) == "a b") == (is_space and not value & REMOVED)
        flags[code] = value
    return flags, lowered, decomposed


def measure_combining_classes(decomposed):
    """The canonical combining class of every code point, from the order that NFD brings."""
    nfd = normalizers.NFD()
    samples = {}
    for code in SCALARS:
        value = unicodedata.combining(chr(code))
        if value and code not in decomposed:
            samples.setdefault(value, []).append(code)

    def moves(first, second):  # true when 0 < class(second) < class(first)
        return nfd.normalize_str("a" + chr(first) + chr(second)) == "a" + chr(second) + chr(first)

    # One representative for each class, checked against the reference: they must sort as expected.
    # Classes whose characters are all too new for the reference have none.
    lowest, highest = 0x334, 0x345  # classes 1 and 240
    known = {
        value: next((c for c in codes if moves(highest, c) or moves(c, lowest)), None)
        for value, codes in samples.items()
    }
    order = sorted(value for value, code in known.items() if code is not None)
    representative = [known[value] for value in order]
    for earlier, later in zip(representative, representative[1:]):
        assert moves(later, earlier) and not moves(earlier, later), (hex(earlier), hex(later))
    classes = {}
    for code in SCALARS:
        if code in decomposed:
            continue
        if moves(representative[-1], code) or moves(code, representative[0]):
            below = [i for i, r in enumerate(representative) if r != code and moves(code, r)]
            rank = below[-1] + 1 if below else 0
            # Equal to the class of the next representative, or between two classes.
            assert code == representative[rank] or not moves(representative[rank], code), hex(code)
            classes[code] = order[rank]
    return classes


def hangul_is_arithmetic(decomposed):
    for code in HANGUL:
        index = code - 0xAC00
        tail = index % 28
        expected = chr(0x1100 + index // 588) + chr(0x1161 + index % 588 // 28)
        expected += chr(0x11A7 + tail) if tail else ""
        if decomposed.get(code) != expected:
            return False
    return True


def print_array(kind, name, values, width):
    print(f"{kind} {name}[{len(values)}] = {{")
    line = "   "
    for value in values:
        item = f" {value},"
        if len(line) + len(item) > width:
            print(line)
            line = "   "
        line += item
    print(line)
    print("};\n")


def blocks_of(values):
    """Splits a flat list into equal blocks; returns the block of each index and the blocks."""
    size, numbers, stored, index = 1 << BLOCK_BITS, {}, [], []
    for start in range(0, len(values), size):
        block = tuple(values[start : start + size])
        if block not in numbers:
            numbers[block] = len(numbers)
            stored.extend(block)
        index.append(numbers[block])
    return index, stored


def print_mapping(name, mapping, longest):
    print(f"const struct ferry_unicode_mapping ferry_unicode_{name}[] = {{")
    for code, text in sorted(mapping.items()):
        assert len(text) <= longest, (name, hex(code))
        to = ", ".join(f"0x{ord(char):X}" for char in text)
        print(f"    {{0x{code:X}, {len(text)}, {{{to}}}}},")
    print("};")
    print(f"const uint32_t ferry_unicode_{name}_count = {len(mapping)};\n")


def main():
    flags, lowered, decomposed = measure_flags()
    assert hangul_is_arithmetic(decomposed)
    decomposed = {c: text for c, text in decomposed.items() if c not in HANGUL}
    classes = measure_combining_classes({**decomposed, **{c: "" for c in HANGUL}})
    entries = [flags.get(c, 0) | classes.get(c, 0) << 8 for c in range(0x110000)]
    index, stored = blocks_of(entries)

    print(
        "/* Written by tools/generate-unicode/generate_unicode_tables.py from the measured behaviour"
    )
    print(f" * of the Python package tokenizers {tokenizers.__version__}. Do not edit. */")
    print("/* clang-format off */")
    print('#include "tokenizer/unicode_tables.h"\n')
    print_array("const uint16_t", "ferry_unicode_block", index, 99)
    print_array("const uint16_t", "ferry_unicode_entry", stored, 99)
    print_mapping("lower", lowered, 2)
    print_mapping("decomposition", decomposed, 4)
    print(f"removed={sum(bool(f & REMOVED) for f in flags.values())}", file=sys.stderr)
    print(f"nonspacing={sum(bool(f & NONSPACING) for f in flags.values())}", file=sys.stderr)
    print(f"punctuation={sum(bool(f & PUNCTUATION) for f in flags.values())}", file=sys.stderr)
    print(
        f"lower={len(lowered)} decomposed={len(decomposed)} classes={len(classes)}", file=sys.stderr
    )
    print(f"blocks={len(stored) >> BLOCK_BITS}", file=sys.stderr)


if __name__ == "__main__":
    main()
