"""Texts for the tokenizer's parity tests: real ones from Debian packages, and random ones.

Real text: packages fortunes, fortunes-zh, fortunes-ru, fortunes-bg, and the translations (.po
files) in python3-django: whole sentences in some twenty scripts. Scripts that none of them has
(SYNTHETIC) are made from their Unicode blocks, as words of random letters."""

import ast
import pathlib
import random
import re

FORTUNES = pathlib.Path("/usr/share/games/fortunes")
DJANGO = pathlib.Path("/usr/lib/python3/dist-packages/django")

# script: languages of the translations, and fortune files that are all in it
REAL_SCRIPTS = {
    "Latin": (("de", "vi", "tr", "cs", "pl", "fr", "is", "lv", "hu", "ro"), ()),
    "Cyrillic": (("ru", "uk", "bg", "sr", "kk", "mn", "tg", "tt", "mk", "be", "ky"), ("ru", "bg")),
    "Greek": (("el",), ()),
    "Arabic": (("ar", "fa", "ur", "ar_DZ"), ()),
    "Hebrew": (("he",), ()),
    "Devanagari": (("hi", "mr", "ne"), ()),
    "Bengali": (("bn",), ()),
    "Gurmukhi": (("pa",), ()),
    "Tamil": (("ta",), ()),
    "Telugu": (("te",), ()),
    "Kannada": (("kn",), ()),
    "Malayalam": (("ml",), ()),
    "Thai": (("th",), ()),
    "Khmer": (("km",), ()),
    "Myanmar": (("my",), ()),
    "Georgian": (("ka",), ()),
    "Armenian": (("hy",), ()),
    "Hangul": (("ko",), ()),
    "Han": (("zh_Hans", "zh_Hant"), ("zh",)),
    "Japanese": (("ja",), ()),
}
SYNTHETIC_SCRIPTS = {
    "Ethiopic": (0x1200, 0x135A),
    "Tibetan": (0x0F40, 0x0FBC),
    "Lao": (0x0E81, 0x0ECD),
    "Sinhala": (0x0D80, 0x0DDF),
    "Gujarati": (0x0A81, 0x0ACD),
    "Oriya": (0x0B01, 0x0B4D),
    "Mongolian": (0x1820, 0x18AA),
    "Cherokee": (0x13A0, 0x13FD),
    "Syriac": (0x0710, 0x074A),
    "Thaana": (0x0780, 0x07B1),
    "Balinese": (0x1B00, 0x1B4B),
    "Gothic": (0x10330, 0x1034A),
}
FORTUNE_FILES = {
    "zh": ("chinese", "tang300", "song100"),
    "ru": ("*.ru", "ru/*"),
    "bg": ("bg", "bg/*", "bulgarian*"),
}


def read_fortunes(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    return [part.strip("\n") for part in re.split(r"\n%\n", text) if part.strip()]


def _is_fortune_file(path):
    return path.is_file() and not path.is_symlink() and path.suffix not in (".dat", ".u8", ".bin")


def english_fortunes():
    """The package fortunes alone, whatever other fortune packages are there."""
    listing = pathlib.Path("/var/lib/dpkg/info")
    names = set()
    for package in ("fortunes", "fortunes-min"):
        names |= set((listing / f"{package}.list").read_text().split("\n"))
    files = [path for path in sorted(FORTUNES.iterdir()) if str(path) in names]
    texts = [text for path in files if _is_fortune_file(path) for text in read_fortunes(path)]
    if len(texts) < 10000:
        raise FileNotFoundError("the Debian package fortunes is missing or changed: install it")
    return texts


def foreign_fortunes(name):
    listing = pathlib.Path(f"/var/lib/dpkg/info/fortunes-{name}.list")
    if not listing.exists():
        raise FileNotFoundError(f"install the Debian package fortunes-{name}")
    files = [pathlib.Path(line) for line in listing.read_text().split("\n") if "games" in line]
    return [text for path in files if _is_fortune_file(path) for text in read_fortunes(path)]


def _po_messages(path):
    """The translated strings of a .po file."""
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        for match in re.finditer(r'^msgstr(?:\[\d\])?((?:\s*"(?:[^"\\]|\\.)*")+)', block, re.M):
            literals = re.findall(r'"(?:[^"\\]|\\.)*"', match.group(1))
            message = "".join(ast.literal_eval(literal) for literal in literals)
            if message and "Project-Id-Version" not in message:
                yield message


def translations(language):
    files = sorted(DJANGO.glob(f"**/locale/{language}/LC_MESSAGES/*.po"))
    if not files:
        raise FileNotFoundError("install the Debian package python3-django (its translations)")
    return [message for path in files for message in _po_messages(path)]


def script_texts(script):
    languages, fortunes = REAL_SCRIPTS[script]
    texts = [text for name in fortunes for text in foreign_fortunes(name)]
    return texts + [text for language in languages for text in translations(language)]


def synthetic_texts(script, count=500, seed=7):
    first, last = SYNTHETIC_SCRIPTS[script]
    rng = random.Random(f"{script} {seed}")
    texts = []
    for _ in range(count):
        words = [
            "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 12)))
            for _ in range(rng.randint(1, 20))
        ]
        texts.append(rng.choice((" ", ", ", "  ")).join(words))
    return texts


# ---- random strings: each generator takes a random.Random and gives one text ----

SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]")
NEARLY_SPECIAL = (
    "[cls]",
    "[ SEP]",
    "[SEP",
    "SEP]",
    "[[SEP]]",
    "[MASK",
    "[unused1]",
    "[]",
    "[",
    "]",
)
WHITESPACE = [
    chr(c)
    for c in (9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xA0, 0x1680, 0x180E)
    + tuple(range(0x2000, 0x2010))
    + (0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)
]
CONTROLS = [
    chr(c)
    for c in tuple(range(32))
    + tuple(range(127, 160))
    + (0xAD, 0x600, 0x61C, 0x6DD, 0x70F, 0x200B, 0x200C, 0x200D, 0x200E, 0x202A, 0x2066, 0x206F)
    + (0xE000, 0xFEFF, 0xFFF9, 0xFFFD, 0xFFFE, 0xFFFF, 0xE0001, 0xE0061, 0xF0000, 0x10FFFF)
]
COMBINING = [
    chr(c)
    for c in tuple(range(0x300, 0x370))
    + tuple(range(0x483, 0x48A))
    + tuple(range(0x591, 0x5C8))
    + tuple(range(0x64B, 0x660))
    + (0x93C, 0x94D, 0x9BC, 0xE31, 0xF71, 0xF72, 0x1DC0, 0x20D0)
    + (0x20E3, 0x302A, 0x3099, 0x309A, 0xFE20, 0x1D165, 0x1D16D, 0x1E8D0)
]
PRECOMPOSED = (
    "ÀÉÎÕÜçñŠžỆ\u1e9b\u0344ǅǆİıſßẞΐΰ\u0390ﬁﬃ각힣가ガパ\u0958\u09dc\u0fb2\ufb2a\U0001d15eÅΩK①²½ﷺ"
)
SCRIPT_RANGES = [
    (0x20, 0x7E), (0xA1, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x587), (0x5D0, 0x5F4),
    (0x620, 0x6FF), (0x900, 0x97F), (0x980, 0x9FE), (0xB80, 0xBFA), (0xE01, 0xE5B), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x1E00, 0x1FFE), (0x3041, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
]  # fmt: skip
EMOJI = "😀👩👨👧👦🏽🏿❤🏳🌈🇩🇪🇯🇵👍🧑🚀🤷♂♀⚕✈☠1#*©®™〰🫠🫡"


def _word(rng, low=1, high=10):
    return "".join(
        rng.choice("abcdefghijklmnopqrstuvwxyzABCXYZ0189") for _ in range(rng.randint(low, high))
    )


def ascii_text(rng):
    return "".join(chr(rng.randint(0x20, 0x7E)) for _ in range(rng.randint(0, 60)))


def ascii_words(rng):
    parts = [
        _word(rng) + rng.choice(("", "", ",", ".", "'s", "!?", "-", "\n", "\t"))
        for _ in range(rng.randint(1, 15))
    ]
    return rng.choice((" ", " ", "  ", "\n")).join(parts)


def mixed_scripts(rng):
    text = []
    for _ in range(rng.randint(1, 12)):
        first, last = rng.choice(SCRIPT_RANGES)
        text += [chr(rng.randint(first, last)) for _ in range(rng.randint(1, 7))]
        text.append(rng.choice(("", " ", "-", " ", "。")))
    return "".join(text)


def combining_marks(rng):
    text = []
    for _ in range(rng.randint(1, 12)):
        text.append(
            rng.choice((_word(rng, 1, 3), rng.choice(PRECOMPOSED), rng.choice(COMBINING), " "))
        )
        text += [rng.choice(COMBINING) for _ in range(rng.choice((0, 1, 1, 2, 3, 8)))]
    return "".join(text)


def whitespace_kinds(rng):
    pieces = (
        lambda: rng.choice(WHITESPACE),
        lambda: _word(rng, 1, 4),
        lambda: rng.choice("é中.[]"),
    )
    return "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 24)))


def control_characters(rng):
    pieces = (
        lambda: rng.choice(CONTROLS),
        lambda: _word(rng, 1, 4),
        lambda: rng.choice(" é中.\u0301"),
    )
    return "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 24)))


def special_tokens_glued(rng):
    pieces = (
        lambda: rng.choice(SPECIAL_TOKENS),
        lambda: rng.choice(NEARLY_SPECIAL),
        lambda: _word(rng, 1, 4),
        lambda: rng.choice((" ", "\t", "", ".", "é", "中", "\u0301", "\u200b", "##", "\u3000")),
    )
    return "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 14)))


def long_words(rng):
    """Around the limit of 100 characters for one word, before and after normalizing."""
    filler = rng.choice(("a", "ab", "é", "e\u0301", "가", "я", "İ", "1", "x\u00ad", "xyz\u200d"))
    word = (filler * 110)[: rng.randint(94, 108)]
    if rng.random() < 0.3:
        at = rng.randint(0, len(word))
        word = word[:at] + rng.choice(("-", "\u0301", "\u200b", "[SEP]", "中", "é")) + word[at:]
    return rng.choice(("", "a ", "中")) + word + rng.choice(("", " b", "."))


def cjk(rng):
    ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x3041, 0x30FF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF),
              (0x2A700, 0x2EBE0), (0x2F800, 0x2FA1D), (0xAC00, 0xD7A3), (0x3000, 0x303F), (0xFF01, 0xFF9F))  # fmt: skip
    text = []
    for _ in range(rng.randint(1, 20)):
        first, last = rng.choice(ranges[:3] if rng.random() < 0.6 else ranges)
        text.append(chr(rng.randint(first, last)))
        if rng.random() < 0.1:
            text.append(rng.choice((" ", "abc", "1", "\u3099")))
    return "".join(text)


def emoji_sequences(rng):
    text = []
    for _ in range(rng.randint(1, 12)):
        text.append(rng.choice(EMOJI))
        text.append(
            rng.choice(
                ("", "", "\u200d", "\ufe0f", "\u20e3", "\ufe0f\u20e3", " ", "a", "\U000e0067")
            )
        )
    return "".join(text)


def random_code_points(rng):
    text = []
    for _ in range(rng.randint(1, 20)):
        top = rng.choice((0x7F, 0x7FF, 0xFFFF, 0x10FFFF, 0x3FFFF))
        c = rng.randint(0, top)
        text.append(chr(c) if not 0xD800 <= c < 0xE000 else "\ufffd")
    return "".join(text)


def everything(rng):
    return rng.choice(("", " ", "\n")).join(
        rng.choice(_PLAIN)(rng) for _ in range(rng.randint(1, 4))
    )


_PLAIN = (
    ascii_text, ascii_words, mixed_scripts, combining_marks, whitespace_kinds, control_characters,
    special_tokens_glued, long_words, cjk, emoji_sequences, random_code_points,
)  # fmt: skip
GENERATORS = {function.__name__: function for function in _PLAIN + (everything,)}


def vocabulary_words(vocabulary):
    """A generator of the vocabulary's own words, glued in every way."""
    words = sorted(vocabulary)

    def vocabulary_glued(rng):
        text = []
        for _ in range(rng.randint(1, 12)):
            word = rng.choice(words)
            keep = word.startswith("##") and rng.random() < 0.2
            text.append(word if keep else word.removeprefix("##"))
            text.append(rng.choice(("", "", " ", "-", "'", " ")))
        return "".join(text)

    return vocabulary_glued


def random_texts(generator, count, seed):
    rng = random.Random(seed)
    return [generator(rng) for _ in range(count)]
