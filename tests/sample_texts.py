"""Texts for tests and benchmarks: real ones from Debian's fortunes packages, and made ones in many scripts.

Everything is chosen by a seed, so that every run sees the same texts.
"""

import random
from pathlib import Path

FORTUNES = Path("/usr/share/games/fortunes")
CHINESE = ("chinese", "song100", "tang300")
# First and last code point of letters of one script; words are made of them.
SCRIPTS = {
    "Greek": (0x3B1, 0x3C9), "Cyrillic": (0x430, 0x44F), "Hebrew": (0x5D0, 0x5EA),
    "Arabic": (0x627, 0x64A), "Devanagari": (0x905, 0x939), "Bengali": (0x985, 0x9B9),
    "Tamil": (0xB85, 0xBB9), "Thai": (0xE01, 0xE3A), "Georgian": (0x10D0, 0x10F0),
    "Hangul": (0xAC00, 0xD7A3), "Hiragana": (0x3041, 0x3096), "Katakana": (0x30A1, 0x30FA),
    "CJK": (0x4E00, 0x9FA5), "Latin with accents": (0xC0, 0x17F), "emoji": (0x1F600, 0x1F64F),
}  # fmt: skip
EDGE_CASES = [
    "", " ", "\n\t", "a", "A" * 120, "a" * 5000, "[SEP]", "[CLS] text [MASK] here [PAD]", "##ing",
    "e\u0301 \u0130stanbul \u1e9e \ufb01", "\u200b\ufeff\u00ad", "\x00\x01", "1,234.56 \u00bd \u2167",
    "\u4f60\u597d\uff0c\u4e16\u754c hello", "don't won't o'clock", "https://example.org/a?b=c#d",
]  # fmt: skip


def fortune_files(folder):
    return sorted(
        p for p in folder.iterdir() if p.is_file() and not p.is_symlink() and not p.suffix
    )


def read_fortunes(files):
    texts = []
    for file in files:
        for text in file.read_text(encoding="utf-8", errors="replace").split("\n%\n"):
            text = text.strip("\n%")
            if text:
                texts.append(text)
    return list(dict.fromkeys(texts))  # some are in two files


def english():
    """The texts of the package fortunes: about 15,000, 10 to 2,000 characters long."""
    assert FORTUNES.is_dir(), "the Debian packages fortunes and fortunes-min are not installed"
    return read_fortunes(f for f in fortune_files(FORTUNES) if f.name not in CHINESE)


def foreign():
    """Russian, Bulgarian and Chinese texts: the packages fortunes-ru, fortunes-bg, fortunes-zh."""
    files = [f for f in fortune_files(FORTUNES) if f.name in CHINESE]
    for name in ("ru", "bg"):
        files += fortune_files(FORTUNES / name)
    texts = read_fortunes(files)
    assert len(texts) > 1000, "the packages fortunes-ru, fortunes-bg, fortunes-zh are not installed"
    return texts


def made(generator):
    """A few words of one script, or of several, with spaces and punctuation between."""
    names = generator.sample(sorted(SCRIPTS), generator.choice((1, 1, 1, 3)))
    words = []
    for _ in range(int(2 ** generator.uniform(0, 6))):
        first, last = SCRIPTS[generator.choice(names)]
        letters = (chr(generator.randint(first, last)) for _ in range(generator.randint(1, 9)))
        words.append("".join(letters) + generator.choice(("", "", ",", ".", "!", "\u3002")))
    return generator.choice((" ", " ", "  ", "\n")).join(words)


def mixed(count, seed=1):
    """count texts of mixed length and script: edge cases, real ones, made ones."""
    generator = random.Random(seed)
    texts = list(EDGE_CASES)
    texts += generator.sample(english(), count // 2)
    texts += generator.sample(foreign(), count // 4)
    texts += [made(generator) for _ in range(count - len(texts))]
    generator.shuffle(texts)
    return texts[:count]
