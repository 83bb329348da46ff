"""What Client and AsyncClient have in common: starting calls, and reading what they bring."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .connection import Connection
from .endpoint import default_endpoint
from .exchange import Call, Piece, Settings
from .requests import Ids, Items, Texts, options_of, plain_encoder
from .results import embed_result, tokenize_result


class EmbedCall:
    def __init__(self, call: Optional[Call], items: Items, dtype: str, full: bool, raw: bool):
        self.call, self.items, self.dtype, self.full, self.raw = call, items, dtype, full, raw

    def read(self, pieces: List[Piece]) -> Any:
        result = embed_result(pieces, self.dtype)
        if self.full:
            return result
        result.raise_for_errors()
        one = 0 if self.items.is_single else slice(None)
        if not self.raw or result.raw is None:
            return result.vectors[one]
        return result.raw[one] if result.scales is None else (result.raw[one], result.scales[one])


class TokenizeCall:
    def __init__(self, call: Optional[Call], items: Items, full: bool):
        self.call, self.items, self.full = call, items, full

    def read(self, pieces: List[Piece]) -> Any:
        result = tokenize_result(pieces)
        if self.full:
            return result
        result.raise_for_errors()
        return result.items[0] if self.items.is_single else result.items


def _check_endpoint(endpoint: str) -> str:
    if not endpoint.startswith(("ipc://", "tcp://")):
        raise ValueError(f"endpoint must be ipc:///path or tcp://host:port, not {endpoint!r}")
    if endpoint.startswith("ipc://") and len(endpoint[6:].encode()) > 107:
        raise ValueError("the path of an ipc:// endpoint has at most 107 bytes")
    return endpoint


class Calls:
    """The part of a client that does not wait."""

    def __init__(
        self,
        endpoint: Optional[str] = None,
        *,
        model: Optional[str] = None,
        deadline: float = 30.0,
        patience: float = 4.0,
        max_attempts: int = 8,
        max_in_flight: int = 1024,
    ) -> None:
        self.endpoint = _check_endpoint(endpoint or default_endpoint())
        self.model = model
        self._settings = Settings(
            deadline=deadline,
            patience=patience,
            max_attempts=max_attempts,
            max_in_flight=max_in_flight,
        )
        self._connection = Connection(self.endpoint, self._settings)

    def _deadline(self, deadline: Optional[float]) -> float:
        return self._settings.deadline if deadline is None else deadline

    def _start(self, operation: str, items: Items, deadline: Optional[float], **given: Any) -> Call:
        given["model"] = given.get("model") or self.model
        options = options_of(self._deadline(deadline), **given)
        return self._connection.submit(items.sizes(), items.encoder(operation, options), deadline)

    def _embed(
        self,
        texts: Optional[Texts],
        ids: Optional[Ids],
        type_ids: Optional[Ids],
        dtype: str,
        full: bool,
        raw: bool,
        deadline: Optional[float],
        options: Dict[str, Any],
    ) -> EmbedCall:
        items = Items(texts, ids, type_ids)
        call = None
        if items.count:
            call = self._start("embed", items, deadline, dtype=dtype, **options)
        return EmbedCall(call, items, dtype, full, raw)

    def _tokenize(
        self, texts: Texts, full: bool, deadline: Optional[float], options: Dict[str, Any]
    ) -> TokenizeCall:
        items = Items(texts)
        call = None
        if items.count:
            call = self._start("tokenize", items, deadline, **options)
        return TokenizeCall(call, items, full)

    def _detokenize(self, ids: Ids, deadline: Optional[float], options: Dict[str, Any]) -> Call:
        return self._start("detokenize", Items(ids=ids), deadline, **options)

    def _plain(self, operation: str, deadline: Optional[float]) -> Call:
        return self._connection.submit([], plain_encoder(operation), deadline)
