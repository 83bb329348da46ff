"""What the fake engine answers, computed here from gpu/fake/README.md and the reference tokenizer."""

import numpy
from tokenizers import Tokenizer

from model_folders import MAX_LENGTH, WIDTH, bert_folder

MASK = 2**64 - 1


def fake_row(ids, type_ids=None, width=WIDTH):
    """The row of one sequence, not normalised."""
    seed = 0xCBF29CE484222325
    for token_id, type_id in zip(ids, type_ids or [0] * len(ids)):
        for byte in token_id.to_bytes(4, "little") + bytes([type_id]):
            seed = (seed ^ byte) * 0x100000001B3 & MASK
    steps = numpy.arange(1, width + 1, dtype=numpy.uint64)
    z = numpy.uint64(seed) + steps * numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
    upper = (z ^ z >> numpy.uint64(31)) >> numpy.uint64(40)
    return (upper / 2.0**23 - 1.0).astype(numpy.float32)


def fake_logits(ids, vocabulary, end_id=None, end_at=0):
    """Of the token that follows ids."""
    logits = 8 * fake_row(ids, width=vocabulary)
    if end_at > 0:
        logits[end_id] = 100.0 if len(ids) >= end_at else -100.0
    return logits


def fake_logprobs(ids, vocabulary, **end):
    """Natural-log probabilities of every token that may follow ids."""
    logits = fake_logits(ids, vocabulary, **end).astype(numpy.float64)
    return logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())


def fake_greedy(ids, vocabulary, new_tokens, **end):
    """Only the new tokens."""
    new = []
    for _ in range(new_tokens):
        new.append(int(fake_logits(list(ids) + new, vocabulary, **end).argmax()))
    return new


class Oracle:
    """Texts to the rows that a fake model must answer."""

    def __init__(self, max_length=MAX_LENGTH):
        self.tokenizer = Tokenizer.from_file(str(bert_folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length)

    def encode(self, texts):
        """texts: strings, or pairs as tuples."""
        return self.tokenizer.encode_batch(texts)

    def rows(self, texts, normalize=True):
        rows = numpy.stack([fake_row(e.ids, e.type_ids) for e in self.encode(texts)])
        if normalize:
            rows /= numpy.linalg.norm(rows, axis=1)[:, None]
        return rows
