"""Texts for the parity tests of byte-level tokenizers: source code, and random strings around what
GPT-2's split pattern tells apart. Real text and other random strings: tokenizer_texts.py."""

import pathlib
import random
import sysconfig

import tokenizer_gpt2
import tokenizer_texts

SPECIAL_TOKENS = (tokenizer_gpt2.END_OF_TEXT, "<s>", "</s>", "<pad>", "<mask>", "<unk>")
NEARLY_SPECIAL = ("<|endoftext|", "<|", "|>", "<", "<<s>>", "<mask", "mask>", "<|ENDOFTEXT|>")
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "''", "'S", "'r", "'l", "\u2019s")
OTHER_NUMBERS = "\u00b2\u00bd\u0663\u096a\u2167\u3007\u3021\U0001d7d9"
SPACES = (
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\r\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u2028",
    "\x0b",
    "\x1c",
)
LETTERS = "aZ\u00e9\u0416\u05d0\u0905\u4e2d\uac00\u02bc\u00aa\U00010330"


def contractions(rng: random.Random) -> str:
    pieces = (
        lambda: rng.choice(CONTRACTIONS),
        lambda: rng.choice("abdelmrstvSTDx"),
        lambda: rng.choice((" ", "\n", "1", ".", "\u00e9", "", "\u0301")),
    )
    return "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 20)))


def class_changes(rng: random.Random) -> str:
    kinds = (LETTERS, OTHER_NUMBERS + "0189", ".,!-_'\u3002\u00b7\u0301\u200d\U0001f600", SPACES)
    return "".join(
        rng.choice(kinds[rng.choice((0, 0, 1, 2, 3, 3))]) * rng.choice((1, 1, 1, 2, 3))
        for _ in range(rng.randint(1, 24))
    )


def around_sixty_four(rng: random.Random) -> str:
    """What is found 64 bytes at a time must not depend on where a text begins or ends."""
    text = "x" * rng.randint(0, 66)
    for _ in range(rng.randint(1, 4)):
        text += rng.choice(CONTRACTIONS + SPACES + ("a", "\u00e9", "7", "..."))
        text += rng.choice("ab1. \u4e2d") * rng.randint(0, 64)
    return text


def long_pretokens(rng: random.Random) -> str:
    """Beyond what is merged in one array, and beyond what the word cache takes."""
    piece = rng.choice(("a", "ab", "the", "=", "-=", " ", "\n", "9", "\u4e2d", "\u00e9\u0416"))
    text = piece * rng.randint(1, 400)
    if rng.random() < 0.5:
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice((" ", "x", "\u0e01", "'s")) + text[at:]
    return text


def special_tokens(rng: random.Random) -> str:
    pieces = (
        lambda: rng.choice(SPECIAL_TOKENS),
        lambda: rng.choice(NEARLY_SPECIAL),
        lambda: rng.choice(SPACES),
        lambda: rng.choice(("a", "the", ".", "'s", "\u00e9", "\u4e2d", "1")),
    )
    return "".join(rng.choice(pieces)() for _ in range(rng.randint(1, 12)))


def repeated_words(rng: random.Random) -> str:
    words = [tokenizer_texts.ascii_words(rng) for _ in range(2)]
    return "".join(rng.choice(words) + rng.choice(SPACES) for _ in range(rng.randint(1, 8)))


OWN = (contractions, class_changes, around_sixty_four, long_pretokens, special_tokens,
       repeated_words)  # fmt: skip
GENERATORS = {function.__name__: function for function in OWN} | tokenizer_texts.GENERATORS


def random_texts(name: str, count: int, seed: object) -> list[str]:
    return tokenizer_texts.random_texts(GENERATORS[name], count, f"{name} {seed}")


def mixed_texts(count: int, seed: object) -> list[str]:
    rng = random.Random(f"mixed {seed}")
    functions = list(GENERATORS.values())
    return [rng.choice(functions)(rng) for _ in range(count)]


def own_sources() -> list[str]:
    """The files of this repository."""
    root = tokenizer_gpt2.ROOT
    kinds = ("*.c", "*.h", "*.py", "*.md", "*.cc", "*.sh")
    folders = [folder for folder in sorted(root.iterdir()) if folder.name[0].isalpha()]
    folders = [folder for folder in folders if folder.is_dir() and "build" not in folder.name]
    paths = [path for folder in folders if folder.name != "models" for kind in kinds
             for path in sorted(folder.rglob(kind))]  # fmt: skip
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    assert len(texts) > 200, "the sources of ferry are not where they should be"
    return texts


def standard_library(limit: int) -> list[str]:
    """The modules of Python's standard library, up to `limit` bytes."""
    texts, size = [], 0
    for path in sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        texts.append(path.read_text(encoding="utf-8"))
        size += len(texts[-1].encode())
        if size > limit:
            break
    assert size > 500_000, "Python's standard library is not there as source"
    return texts
