"""Small byte-level tokenizers: quick to load many times, and with merges that no training gives."""

import random

import tokenizer_gpt2

WORDS = (
    "the",
    "Ġthe",
    "Ġand",
    "ing",
    "Ġo",
    "'s",
    "'ll",
    "ĠĠ",
    "ĠĠĠĠ",
    "ĊĊ",
    "Ġ.",
    "aa",
    "aaaa",
    "ab",
    "é".encode(),
)


def _merge(words, pairs, first, second):
    if first in words and second in words:
        words.setdefault(first + second, len(words))
        pairs.append((first, second))


def small_model() -> dict:
    """All bytes, and some words letter by letter."""
    words = {character: number for number, character in enumerate(tokenizer_gpt2.byte_characters())}
    pairs = []
    for word in WORDS:
        word = word if isinstance(word, str) else tokenizer_gpt2.visible(word)
        for end in range(2, len(word) + 1):
            if word[:end] not in words:
                _merge(words, pairs, word[: end - 1], word[end - 1])
    return tokenizer_gpt2.bpe_model(words, pairs)


def small_json(**flags) -> dict:
    document = tokenizer_gpt2.gpt2_json(**flags)
    document["model"] = small_model()
    count = len(document["model"]["vocab"])
    added = tokenizer_gpt2.added_token
    document["added_tokens"] = [
        added(count, tokenizer_gpt2.END_OF_TEXT, special=True, normalized=True),
        added(count + 1, "<mask>", special=True, lstrip=True),
    ]
    return document


def wild_json(rng: random.Random, size: int) -> dict:
    """Merges in any order, of anything: a pair may come before those that make its parts, and one
    token may be made in several ways."""
    document = small_json()
    words = {character: number for number, character in enumerate(tokenizer_gpt2.byte_characters())}
    pairs = []
    letters = ["a", "b", "Ġ", "c"]
    for _ in range(size):
        pool = letters + [word for word in words if len(word) > 1 and len(word) < 7]
        _merge(words, pairs, rng.choice(pool), rng.choice(pool))
    pairs = list(dict.fromkeys(pairs))
    rng.shuffle(pairs)
    document["model"] = tokenizer_gpt2.bpe_model(words, pairs)
    document["added_tokens"] = []
    return document


def wild_text(rng: random.Random) -> str:
    return "".join(
        rng.choice("aaabbc ") * rng.choice((1, 1, 1, 2, 5, 40)) for _ in range(rng.randint(1, 30))
    )
