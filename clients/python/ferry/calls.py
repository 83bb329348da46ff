"""What Client and AsyncClient have in common: starting calls, and reading what they bring."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypeVar

from .connection import Connection
from .endpoint import default_endpoint
from .exchange import Call, Piece, Settings
from .language import language_result
from .requests import Ids, Items, Texts, language_options, options_of, plain_encoder
from .results import embed_result, tokenize_result
from .streams import _Stream

AnyStream = TypeVar("AnyStream", bound=_Stream)


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


class LanguageCall:
    """Of score, next and generate."""

    def __init__(self, operation: str, items: Items, full: bool):
        self.operation, self.items, self.full = operation, items, full
        self.call: Optional[Call] = None

    def read(self, pieces: List[Piece]) -> Any:
        result = language_result(pieces, self.operation)
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
        deadline: Optional[float] = None,
        patience: float = 4.0,
        max_attempts: int = 8,
        max_in_flight: int = 1024,
    ) -> None:
        self.endpoint = _check_endpoint(endpoint or default_endpoint())
        self.model = model
        self._settings = Settings(
            deadline=30.0 if deadline is None else deadline,
            generate_deadline=600.0 if deadline is None else deadline,
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

    def _language(
        self,
        operation: str,
        texts: Optional[Texts],
        ids: Optional[Ids],
        full: bool,
        deadline: Optional[float],
        given: Dict[str, Any],
        stream: Optional[_Stream] = None,
    ) -> LanguageCall:
        """stream: where the parts go, if they are wanted."""
        items = Items(texts, ids)
        items.refuse_pairs()
        options = language_options(operation, given)
        started = LanguageCall(operation, items, full)
        if not items.count:
            return started
        if deadline is None and operation == "generate":
            deadline = self._settings.generate_deadline
        options["model"] = options.get("model") or self.model
        options["stream"] = stream is not None or None
        started.call = self._connection.submit(
            items.sizes(),
            items.encoder(operation, options_of(self._deadline(deadline), **options)),
            deadline,
            # The daemon derives the random numbers of a choice from the seed and the item's index
            # in its request: split, a seeded request would give something else.
            whole="seed" in options,
            choices=options.get("n", 1),
            on_part=None if stream is None else stream.on_part,
        )
        return started

    def _generate_stream(
        self,
        kind: "type[AnyStream]",
        prompts: Optional[Texts],
        ids: Optional[Ids],
        full: bool,
        deadline: Optional[float],
        given: Dict[str, Any],
    ) -> AnyStream:
        started: List[LanguageCall] = []
        stream = kind(self._connection.cancel, lambda pieces: started[0].read(pieces))
        started.append(self._language("generate", prompts, ids, full, deadline, given, stream))
        stream.begin(started[0].call)
        return stream

    def _plain(self, operation: str, deadline: Optional[float]) -> Call:
        return self._connection.submit([], plain_encoder(operation), deadline)
