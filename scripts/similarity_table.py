"""Prints the cosine similarities of the vectors that `ferry embed` wrote, as a table.

Usage: similarity_table.py TEXTS VECTORS — one text a line, one JSON object a line.
Exits with 1 when the vectors are not what they should be.
"""

import json
import sys

import numpy

SHOWN_CHARACTERS = 52


def read_vectors(path: str, expected: int) -> numpy.ndarray:
    with open(path, encoding="utf-8") as file:
        replies = [json.loads(line) for line in file]
    for reply in replies:
        if "error" in reply:
            sys.exit(f"text {reply.get('index')}: {reply['error']}")
    if [reply["index"] for reply in replies] != list(range(expected)):
        sys.exit(f"{len(replies)} vectors came back for {expected} texts, or out of order")
    vectors = numpy.array([reply["embedding"] for reply in replies], dtype=numpy.float64)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    if not (numpy.isfinite(vectors).all() and (lengths > 0).all()):
        sys.exit("a vector is zero or has numbers that are not finite")
    return vectors / lengths


def print_table(texts: list[str], similarities: numpy.ndarray) -> None:
    print(
        " " * (SHOWN_CHARACTERS + 5) + "".join(f"{place:6}" for place in range(1, len(texts) + 1))
    )
    for place, text in enumerate(texts, start=1):
        shown = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
        row = "".join(f"{value:6.2f}" for value in similarities[place - 1])
        print(f"{place:3}  {shown:<{SHOWN_CHARACTERS}}{row}")


def print_nearest(texts: list[str], similarities: numpy.ndarray) -> None:
    apart = similarities - 2 * numpy.eye(len(texts))
    first, second = numpy.unravel_index(apart.argmax(), apart.shape)
    print(f"\nnearest: {texts[first]!r} and {texts[second]!r}, {similarities[first, second]:.4f}")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        texts = file.read().splitlines()
    vectors = read_vectors(sys.argv[2], len(texts))
    similarities = vectors @ vectors.T
    print(f"\nCosine similarities of {len(texts)} texts, {vectors.shape[1]} numbers a vector:\n")
    print_table(texts, similarities)
    if len(texts) > 1:
        print_nearest(texts, similarities)


if __name__ == "__main__":
    main()
