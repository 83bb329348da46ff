"""Reads a .tiktoken file: a line a token, its bytes in base64 and its rank, which is its id."""

import base64
import binascii
import pathlib

from .refusal import BAD_DATA, Refusal


def read_ranks(path: pathlib.Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            text, rank = line.split()
            token = base64.b64decode(text, validate=True)
            ranks[token] = int(rank)
        except (ValueError, binascii.Error):
            raise Refusal(BAD_DATA, f"{path}:{number}: not a token in base64 and a rank") from None
    if len(set(ranks.values())) != len(ranks):
        raise Refusal(BAD_DATA, f"{path}: two tokens have the same rank")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise Refusal(BAD_DATA, f"{path}: no token for the single byte {missing[0]:#04x}")
    return ranks


def merge_of(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes] | None:
    """The last pair that is joined on the way to this token; None if it cannot come about."""
    own, parts = ranks[token], [bytes([byte]) for byte in token]
    while len(parts) > 2:
        joined = [ranks.get(left + right, own) for left, right in zip(parts, parts[1:])]
        lowest = min(joined)
        if lowest >= own:
            return None
        place = joined.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return (parts[0], parts[1])


def byte_letters() -> dict[int, str]:
    """GPT-2's printable letter of each byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(0x100 + place) for place, byte in enumerate(others)})
    return letters


def tokenizer_of_ranks(path: pathlib.Path):
    """The same as a tokenizers.Tokenizer, so that it can be asked for ids."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    ranks, letters, merges = read_ranks(path), byte_letters(), []

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    for token in sorted(ranks, key=ranks.__getitem__):
        if len(token) < 2:
            continue
        pair = merge_of(token, ranks)
        if pair is None:
            raise Refusal(
                BAD_DATA, f"{path}: no merges lead to the token of rank {ranks[token]}, {token!r}"
            )
        merges.append((spelled(pair[0]), spelled(pair[1])))
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend
