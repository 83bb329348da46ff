"""GPT-2's vocabulary in each form that it is shipped in, made from its rank file.

The rank file comes from the source package openai-whisper; ./check fetches it into .cache/gpt2. Ids
are rank order, and replaying each token's merges below its own rank gives back merges.txt."""

import base64
import functools
import json
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
END_OF_TEXT = "<|endoftext|>"
GPT2_TOKENS = 50256  # without <|endoftext|>


def rank_file() -> pathlib.Path:
    path = pathlib.Path(os.environ.get("FERRY_GPT2_RANKS", ROOT / ".cache/gpt2/gpt2.tiktoken"))
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there: scripts/gpt2_vocabulary.sh, which ./check runs, fetches it"
        )
    return path


@functools.cache
def ranks() -> dict[bytes, int]:
    lines = rank_file().read_text(encoding="ascii").splitlines()
    table = {base64.b64decode(token): int(rank) for token, rank in map(str.split, lines)}
    assert len(table) == GPT2_TOKENS, f"{rank_file()} is not GPT-2's"
    return table


@functools.cache
def byte_characters() -> tuple[str, ...]:
    """The printable character that stands for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    table |= {byte: chr(0x100 + place) for place, byte in enumerate(others)}
    return tuple(table[byte] for byte in range(256))


def visible(token: bytes) -> str:
    return "".join(byte_characters()[byte] for byte in token)


def parts_below(token: bytes, rank: int) -> list[bytes]:
    """What merging makes of a token when only the ranks below its own are there."""
    parts = [token[at : at + 1] for at in range(len(token))]
    while len(parts) > 1:
        joined = [
            (ranks().get(first + second, rank), at)
            for at, (first, second) in enumerate(zip(parts, parts[1:]))
        ]
        best, at = min(joined)
        if best >= rank:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


@functools.cache
def merges() -> tuple[tuple[str, str], ...]:
    pairs = []
    for token, rank in sorted(ranks().items(), key=lambda item: item[1]):
        if len(token) > 1:
            first, second = parts_below(token, rank)
            pairs.append((visible(first), visible(second)))
    return tuple(pairs)


@functools.cache
def _vocabulary() -> dict[str, int]:
    return {visible(token): rank for token, rank in ranks().items()} | {END_OF_TEXT: GPT2_TOKENS}


def vocabulary() -> dict[str, int]:
    return dict(_vocabulary())


def byte_level(kind: str, add_prefix_space: bool = False, trim_offsets: bool = True) -> dict:
    return {
        "type": kind,
        "add_prefix_space": add_prefix_space,
        "trim_offsets": trim_offsets,
        "use_regex": True,
    }


def added_token(number: int, content: str, **flags: bool) -> dict:
    token = {"id": number, "content": content, "single_word": False, "lstrip": False}
    token |= {"rstrip": False, "normalized": False, "special": False}
    return token | flags


def bpe_model(words: dict[str, int], pairs: object) -> dict:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": words,
        "merges": [list(pair) for pair in pairs],
    }


def gpt2_json(add_prefix_space: bool = False, trim_offsets: bool = False) -> dict:
    """tokenizer.json as the model gpt2 ships it (there: trim_offsets false)."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(GPT2_TOKENS, END_OF_TEXT, normalized=True, special=True)],
        "normalizer": None,
        "pre_tokenizer": byte_level("ByteLevel", add_prefix_space),
        "post_processor": byte_level("ByteLevel", add_prefix_space, trim_offsets),
        "decoder": byte_level("ByteLevel"),
        "model": bpe_model(vocabulary(), merges()),
    }


ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


def roberta_vocabulary() -> dict[str, int]:
    """RoBERTa's form of it: its own special tokens first, <mask> last."""
    words = list(ROBERTA_SPECIALS) + [word for word in vocabulary() if word != END_OF_TEXT]
    words += ["<mask>"]
    return {word: number for number, word in enumerate(words)}


def roberta_json(add_prefix_space: bool = False, trim_offsets: bool = True) -> dict:
    document = gpt2_json(add_prefix_space)
    words = roberta_vocabulary()
    document["model"] = bpe_model(words, merges())
    document["added_tokens"] = [
        added_token(words[word], word, normalized=True, special=True) for word in ROBERTA_SPECIALS
    ] + [added_token(words["<mask>"], "<mask>", lstrip=True, special=True)]
    document["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["</s>", words["</s>"]],
        "cls": ["<s>", words["<s>"]],
        "trim_offsets": trim_offsets,
        "add_prefix_space": add_prefix_space,
    }
    return document


def write_json(folder: pathlib.Path, document: dict) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    return folder


def write_vocabulary_files(folder: pathlib.Path, words: dict[str, int]) -> pathlib.Path:
    """vocab.json and merges.txt, the older form."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(words, ensure_ascii=False)
    (folder / "vocab.json").write_text(text, encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges())]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
