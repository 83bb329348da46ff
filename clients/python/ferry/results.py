"""What comes back: numpy arrays, and the truth about how they were made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy

from .errors import BadData, FerryError, error_of
from .exchange import Piece


@dataclass(frozen=True)
class ModelInfo:
    """By which model, on what. digest: sha256 of model.pt."""

    name: str = ""
    digest: str = ""
    engine: str = ""
    precision: str = ""
    device: str = ""


@dataclass(frozen=True)
class Times:
    """Seconds inside the daemon. An input that was split into several requests has the sums over
    them; total: the longest."""

    tokenize: float = 0.0
    queue: float = 0.0
    compute: float = 0.0
    total: float = 0.0


@dataclass
class _Result:
    tokens: "numpy.ndarray"
    """[n] uint32: tokens used, special ones included; 0 for a text with an error."""
    truncated: "numpy.ndarray"
    """[n] bool: whether something of the text was cut."""
    errors: Dict[int, FerryError]
    """By index: texts that have no result. The others are answered."""
    model: ModelInfo
    times: Times
    padded_tokens: int
    """Positions computed for nothing on behalf of this call."""
    padding_affects_result: bool
    """The trace's own answer depends on its padding."""

    def raise_for_errors(self) -> None:
        """Raises the first text's error, if there is any."""
        for index in sorted(self.errors):
            raise self.errors[index]


@dataclass
class EmbedResult(_Result):
    """vectors: [n, width]. float32 for f32 and int8 (converted), float16 for f16, and for binary
    float32 0 and 1. raw: the numbers as the daemon sent them, int8 or packed bits (uint8), when
    that was asked for. A text with an error has a row of zeros."""

    vectors: "numpy.ndarray"
    raw: "Optional[numpy.ndarray]" = None
    scales: "Optional[numpy.ndarray]" = None
    """int8: [n], vectors = raw * scales[:, None]."""


@dataclass
class Tokens:
    """One text, or one window of it."""

    ids: "numpy.ndarray"
    type_ids: "numpy.ndarray"
    special: "numpy.ndarray"
    """bool: tokens that are special ones."""
    tokens: List[str]
    offsets: "Optional[numpy.ndarray]" = None
    """[count, 2]: begin and end of each token in characters; None: not asked for."""
    windows: "List[Tokens]" = field(default_factory=list)
    """The windows after this one, if they were asked for."""
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class TokenizeResult(_Result):
    items: List[Tokens] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Tokens]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Tokens:
        return self.items[index]


# ---- from replies ----


def _item_errors(pieces: Sequence[Piece]) -> Dict[int, FerryError]:
    errors: Dict[int, FerryError] = {}
    for piece in pieces:
        if piece.error is not None:
            errors[piece.first] = piece.error
        for entry in (piece.reply or {}).get("errors", ()):
            index = piece.first + entry["index"]
            errors[index] = error_of(entry["status"], entry.get("message", ""), index=index)
    return errors


def _truth(pieces: Sequence[Piece]) -> Dict[str, Any]:
    tokens: List[int] = []
    truncated: List[bool] = []
    sums = {"tokenize": 0, "queue": 0, "compute": 0}
    longest, padded, affected = 0, 0, False
    model = ModelInfo()
    for piece in pieces:
        if piece.reply is None:
            tokens += [0] * piece.count
            truncated += [False] * piece.count
            continue
        tokens += piece.reply["tokens"]
        truncated += piece.reply["truncated"]
        padded += piece.reply.get("padded_tokens", 0)
        affected = affected or bool(piece.reply.get("padding_affects_result"))
        times = piece.reply.get("times_us", {})
        for name in sums:
            sums[name] += times.get(name, 0)
        longest = max(longest, times.get("total", 0))
        known = piece.reply.get("model", {})
        model = ModelInfo(**{k: str(known.get(k, "")) for k in ModelInfo.__dataclass_fields__})
    return {
        "tokens": numpy.array(tokens, numpy.uint32),
        "truncated": numpy.array(truncated, bool),
        "errors": _item_errors(pieces),
        "model": model,
        "times": Times(total=longest / 1e6, **{name: us / 1e6 for name, us in sums.items()}),
        "padded_tokens": padded,
        "padding_affects_result": affected,
    }


_ROW_TYPES = {"f32": "<f4", "f16": "<f2", "int8": "i1", "binary": "u1"}


def _matrix_of(piece: Piece, dtype: str) -> "Optional[numpy.ndarray]":
    """The rows of one reply as they were sent; None for a text that was refused as a whole."""
    if piece.reply is None:
        return None
    vectors = piece.reply["vectors"]
    rows, width = vectors["shape"]
    if rows != piece.count or vectors["dtype"] != dtype:
        raise BadData(f"{rows} rows of {vectors['dtype']} for {piece.count} texts as {dtype}")
    columns = (width + 7) // 8 if dtype == "binary" else width
    return numpy.frombuffer(vectors["data"], _ROW_TYPES[dtype]).reshape(rows, columns)


def _stack(parts: "List[Optional[numpy.ndarray]]", pieces: Sequence[Piece]) -> "numpy.ndarray":
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return numpy.zeros((sum(piece.count for piece in pieces), 0), numpy.float32)
    shapes = [(piece.count,) + known.shape[1:] for piece in pieces]
    filled = [
        numpy.zeros(shape, known.dtype) if part is None else part
        for part, shape in zip(parts, shapes)
    ]
    # A copy also for one part: what comes out can be written to.
    return numpy.concatenate(filled)


def _width_of(pieces: Sequence[Piece]) -> int:
    return next((p.reply["vectors"]["shape"][1] for p in pieces if p.reply is not None), 0)


def embed_result(pieces: Sequence[Piece], dtype: str) -> EmbedResult:
    """Puts the replies of one embed call together."""
    try:
        rows = _stack([_matrix_of(piece, dtype) for piece in pieces], pieces)
        truth = _truth(pieces)
        if dtype in ("f32", "f16"):
            return EmbedResult(vectors=rows, **truth)
        if dtype == "binary":
            width = _width_of(pieces)
            bits = numpy.unpackbits(rows.astype(numpy.uint8), axis=1)[:, :width]
            return EmbedResult(vectors=bits.astype(numpy.float32), raw=rows, **truth)
        parts = [
            None if p.reply is None else numpy.frombuffer(p.reply["vectors"]["scales"], "<f4")
            for p in pieces
        ]
        scales = _stack(parts, pieces).astype(numpy.float32).reshape(len(rows))
        vectors = rows.astype(numpy.float32) * scales[:, None]
        return EmbedResult(vectors=vectors, raw=rows, scales=scales, **truth)
    except (KeyError, ValueError, TypeError, AttributeError) as cause:
        raise BadData(f"the daemon answered something else than was asked: {cause!r}") from cause


def _tokens_of(entry: Dict[str, Any], truncated: bool) -> Tokens:
    ids = numpy.frombuffer(entry["ids"], "<i4")
    offsets = entry.get("offsets")
    return Tokens(
        ids=ids,
        type_ids=numpy.frombuffer(entry["type_ids"], numpy.uint8),
        special=numpy.frombuffer(entry["special"], numpy.uint8).astype(bool),
        tokens=list(entry["tokens"]),
        offsets=None if offsets is None else numpy.frombuffer(offsets, "<u4").reshape(len(ids), 2),
        windows=[_tokens_of(window, truncated) for window in entry.get("windows", ())],
        truncated=truncated,
    )


_NO_TOKENS = {"ids": b"", "type_ids": b"", "special": b"", "tokens": []}


def tokenize_result(pieces: Sequence[Piece]) -> TokenizeResult:
    """Puts the replies of one tokenize call together."""
    try:
        truth = _truth(pieces)
        entries: List[Dict[str, Any]] = []
        for piece in pieces:
            found = [_NO_TOKENS] * piece.count if piece.reply is None else piece.reply["items"]
            if len(found) != piece.count:
                raise ValueError(f"{len(found)} results for {piece.count} texts")
            entries += found
        items = [_tokens_of(entry, bool(cut)) for entry, cut in zip(entries, truth["truncated"])]
        return TokenizeResult(items=items, **truth)
    except (KeyError, ValueError, TypeError, AttributeError) as cause:
        raise BadData(f"the daemon answered something else than was asked: {cause!r}") from cause


def texts_of(pieces: Sequence[Piece]) -> List[str]:
    """The texts of a detokenize call; raises the first item's error."""
    errors = _item_errors(pieces)
    for index in sorted(errors):
        raise errors[index]
    return [text for piece in pieces for text in (piece.reply or {})["texts"]]


def server_of(pieces: Sequence[Piece]) -> Dict[str, Any]:
    """The map of a status reply."""
    server = (pieces[0].reply or {}).get("server")
    if not isinstance(server, dict):
        raise BadData("the daemon answered something else than was asked: no status")
    return server
