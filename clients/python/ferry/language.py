"""What language models answer: scores, next tokens, continuations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generic, Iterator, List, Optional, Sequence, TypeVar

import numpy

from .errors import BadData
from .exchange import Piece
from .results import _Result, _truth


@dataclass
class Score:
    """How likely a text is. Arrays have one entry a token."""

    ids: "numpy.ndarray"
    logprobs: "numpy.ndarray"
    """float32: natural log of each token's probability after those before it; NaN for a token that
    nothing stands before."""
    tokens: Optional[List[str]]
    """The vocabulary's text of each id; None: the model has no tokenizer."""
    scored: int
    """Tokens with a log-probability."""
    logprob_sum: float
    perplexity: float
    """exp(-logprob_sum / scored); NaN when nothing is scored."""
    top_ids: "Optional[numpy.ndarray]" = None
    """[count, top], the most probable first; None: not asked for."""
    top_logprobs: "Optional[numpy.ndarray]" = None
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class NextTokens:
    """The most probable next tokens, the most probable first."""

    ids: "numpy.ndarray"
    logprobs: "numpy.ndarray"
    tokens: Optional[List[str]]
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Choice:
    """One continuation."""

    text: Optional[str]
    """None: the model has no tokenizer."""
    ids: "numpy.ndarray"
    finish_reason: Optional[str]
    """"length", "end" or "stop"; None for a prompt with an error."""
    logprobs: "Optional[numpy.ndarray]" = None
    top_ids: "Optional[numpy.ndarray]" = None
    """[count, top]"""
    top_logprobs: "Optional[numpy.ndarray]" = None


@dataclass
class Part(Choice):
    """What one choice of a stream got since its last part. text never ends within a character;
    finish_reason: in the last part of the choice, else None."""

    index: int = 0
    """Of the prompt."""
    choice: int = 0


@dataclass
class Generation:
    """The choices of one prompt. text, ids, logprobs and finish_reason are the first one's."""

    choices: List[Choice]
    seed: int
    """With it the same request gives the same again."""
    truncated: bool = False

    @property
    def text(self) -> Optional[str]:
        return self.choices[0].text

    @property
    def ids(self) -> "numpy.ndarray":
        return self.choices[0].ids

    @property
    def logprobs(self) -> "Optional[numpy.ndarray]":
        return self.choices[0].logprobs

    @property
    def finish_reason(self) -> Optional[str]:
        return self.choices[0].finish_reason


Entry = TypeVar("Entry")


@dataclass
class LanguageResult(_Result, Generic[Entry]):
    """items: one Score, NextTokens or Generation for each text; empty ones where errors has it."""

    items: List[Entry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Entry:
        return self.items[index]


# ---- from replies ----


def _floats(data: bytes) -> "numpy.ndarray":
    return numpy.frombuffer(data, "<f4")


def _top_of(entry: Dict[str, Any], count: int) -> "Dict[str, Optional[numpy.ndarray]]":
    if "top_ids" not in entry:
        return {"top_ids": None, "top_logprobs": None}
    ids, logprobs = numpy.frombuffer(entry["top_ids"], "<i4"), _floats(entry["top_logprobs"])
    if len(ids) != len(logprobs):
        raise ValueError(f"{len(ids)} top_ids with {len(logprobs)} top_logprobs")
    top = len(ids) // count if count else 0
    return {"top_ids": ids.reshape(count, top), "top_logprobs": logprobs.reshape(count, top)}


def _check_lengths(ids: Any, *others: Any) -> None:
    if any(other is not None and len(other) != len(ids) for other in others):
        raise ValueError("ids and what belongs to them have different lengths")


def _score_of(entry: Dict[str, Any]) -> Score:
    ids, logprobs = numpy.frombuffer(entry["ids"], "<i4"), _floats(entry["logprobs"])
    tokens = entry.get("tokens")
    _check_lengths(ids, logprobs, tokens)
    return Score(
        ids=ids,
        logprobs=logprobs,
        tokens=tokens,
        scored=entry.get("scored", 0),
        logprob_sum=entry.get("logprob_sum", 0.0),
        perplexity=entry.get("perplexity", float("nan")),
        **_top_of(entry, len(ids)),
    )


def _next_of(entry: Dict[str, Any]) -> NextTokens:
    ids, logprobs = numpy.frombuffer(entry["ids"], "<i4"), _floats(entry["logprobs"])
    tokens = entry.get("tokens")
    _check_lengths(ids, logprobs, tokens)
    return NextTokens(ids=ids, logprobs=logprobs, tokens=tokens)


def _choice_fields(entry: Dict[str, Any]) -> Dict[str, Any]:
    ids = numpy.frombuffer(entry["ids"], "<i4")
    logprobs = _floats(entry["logprobs"]) if "logprobs" in entry else None
    _check_lengths(ids, logprobs)
    return {
        "text": entry.get("text"),
        "ids": ids,
        "finish_reason": entry.get("finish_reason"),
        "logprobs": logprobs,
        **_top_of(entry, len(ids)),
    }


def part_of(piece: Piece, part: Dict[str, Any]) -> Part:
    try:
        fields = _choice_fields(part)
    except (KeyError, ValueError, TypeError) as cause:
        raise BadData(f"the daemon sent a part that contradicts itself: {cause!r}") from cause
    return Part(**fields, index=piece.first + part["index"], choice=part["choice"])


def _entries(pieces: Sequence[Piece], key: str, empty: Any) -> List[Any]:
    entries: List[Any] = []
    for piece in pieces:
        found = [empty] * piece.count if piece.reply is None else piece.reply[key]
        if len(found) != piece.count:
            raise ValueError(f"{len(found)} results for {piece.count} texts")
        entries += found
    return entries


def _generations(pieces: Sequence[Piece]) -> List[Generation]:
    entries = _entries(pieces, "choices", [{"ids": b""}])
    seeds = [
        0 if piece.reply is None else int(piece.reply["seed"])
        for piece in pieces
        for _ in range(piece.count)
    ]
    return [
        Generation([Choice(**_choice_fields(choice)) for choice in entry], seed)
        for entry, seed in zip(entries, seeds)
    ]


_EMPTY = {"ids": b"", "logprobs": b""}
_READERS: Dict[str, Callable[[Sequence[Piece]], List[Any]]] = {
    "score": lambda pieces: [_score_of(entry) for entry in _entries(pieces, "scores", _EMPTY)],
    "next": lambda pieces: [_next_of(entry) for entry in _entries(pieces, "nexts", _EMPTY)],
    "generate": _generations,
}


def language_result(pieces: Sequence[Piece], operation: str) -> LanguageResult:
    """Puts the replies of one call together."""
    try:
        truth = _truth(pieces)
        items = _READERS[operation](pieces)
        for item, cut in zip(items, truth["truncated"]):
            item.truncated = bool(cut)
        return LanguageResult(items=items, **truth)
    except (KeyError, ValueError, TypeError, AttributeError) as cause:
        raise BadData(f"the daemon answered something else than was asked: {cause!r}") from cause
