"""The client for asyncio. The same thread-owned connection underneath, so that any event loop will
do and thousands of requests may be in flight."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from typing import (
    Any,
    AsyncIterable,
    AsyncIterator,
    Deque,
    Dict,
    Iterable,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy

from .calls import Calls, EmbedCall
from .exchange import Call
from .requests import Ids, TextOrPair, Texts
from .results import server_of, texts_of
from .streams import AsyncStream


class AsyncClient(Calls):
    """As Client, with coroutines. A task that is cancelled gives its request up."""

    def __init__(self, endpoint: Optional[str] = None, **options: Any) -> None:
        super().__init__(endpoint, **options)
        self._finalizer = weakref.finalize(self, self._connection.close)

    async def close(self) -> None:
        """Ends the connection; pending calls raise Cancelled."""
        await asyncio.get_running_loop().run_in_executor(None, self._finalizer)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()

    async def _pieces(self, call: Optional[Call]) -> List[Any]:
        if call is None:
            return []
        try:
            return await asyncio.wrap_future(call.future)
        except asyncio.CancelledError:
            self._connection.cancel(call)
            raise

    async def embed(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        type_ids: Optional[Ids] = None,
        model: Optional[str] = None,
        dtype: str = "f32",
        normalize: Optional[bool] = None,
        max_tokens: Optional[int] = None,
        truncate: Optional[str] = None,
        strategy: Optional[str] = None,
        special_tokens: Optional[str] = None,
        priority: Optional[str] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        raw: bool = False,
    ) -> Any:
        """As Client.embed."""
        options: Dict[str, Any] = {
            "model": model,
            "normalize": normalize,
            "max_tokens": max_tokens,
            "truncate": truncate,
            "strategy": strategy,
            "special_tokens": special_tokens,
            "priority": priority,
        }
        started = self._embed(texts, ids, type_ids, dtype, full, raw, deadline, options)
        return started.read(await self._pieces(started.call))

    async def embed_iter(
        self,
        texts: Union[Iterable[TextOrPair], AsyncIterable[TextOrPair]],
        *,
        batch: int = 64,
        in_flight: int = 16,
        dtype: str = "f32",
        deadline: Optional[float] = None,
        **options: Any,
    ) -> "AsyncIterator[numpy.ndarray]":
        """As Client.embed_iter; texts may be an asynchronous iterable as well."""
        source = _Source(texts)
        pending: Deque[EmbedCall] = deque()
        try:
            while True:
                while len(pending) < in_flight and not source.is_at_end:
                    group = await source.take(batch)
                    if group:
                        pending.append(
                            self._embed(group, None, None, dtype, False, False, deadline, options)
                        )
                if not pending:
                    return
                started = pending.popleft()
                for row in started.read(await self._pieces(started.call)):
                    yield row
        finally:
            for left in pending:
                if left.call is not None:
                    self._connection.cancel(left.call)

    async def tokenize(
        self,
        texts: Texts,
        *,
        model: Optional[str] = None,
        offsets: Optional[bool] = None,
        windows: Optional[bool] = None,
        stride: Optional[int] = None,
        add_special_tokens: Optional[bool] = None,
        max_tokens: Optional[int] = None,
        truncate: Optional[str] = None,
        strategy: Optional[str] = None,
        special_tokens: Optional[str] = None,
        priority: Optional[str] = None,
        deadline: Optional[float] = None,
        full: bool = False,
    ) -> Any:
        """As Client.tokenize."""
        options: Dict[str, Any] = {
            "model": model,
            "offsets": offsets,
            "windows": windows,
            "stride": stride,
            "add_special_tokens": add_special_tokens,
            "max_tokens": max_tokens,
            "truncate": truncate,
            "strategy": strategy,
            "special_tokens": special_tokens,
            "priority": priority,
        }
        started = self._tokenize(texts, full, deadline, options)
        return started.read(await self._pieces(started.call))

    async def detokenize(
        self,
        ids: Ids,
        *,
        model: Optional[str] = None,
        skip_special_tokens: Optional[bool] = None,
        deadline: Optional[float] = None,
    ) -> List[str]:
        """As Client.detokenize."""
        if len(ids) == 0:
            return []
        options = {"model": model, "skip_special_tokens": skip_special_tokens}
        return texts_of(await self._pieces(self._detokenize(ids, deadline, options)))

    async def score(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        top: Optional[int] = None,
        windows: Optional[bool] = None,
        stride: Optional[int] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """As Client.score."""
        options.update(top=top, windows=windows, stride=stride)
        started = self._language("score", texts, ids, full, deadline, options)
        return started.read(await self._pieces(started.call))

    async def next(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        top: Optional[int] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """As Client.next."""
        options.update(top=top)
        started = self._language("next", texts, ids, full, deadline, options)
        return started.read(await self._pieces(started.call))

    async def generate(
        self,
        prompts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        max_new_tokens: Optional[int] = None,
        temperature: Optional[float] = None,
        top_p: Optional[float] = None,
        seed: Optional[int] = None,
        n: Optional[int] = None,
        stop: Union[None, str, Sequence[str]] = None,
        logprobs: Optional[bool] = None,
        stream: bool = False,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """As Client.generate."""
        options.update(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p)
        options.update(seed=seed, n=n, stop=stop, logprobs=logprobs)
        if stream:
            return self._generate_stream(AsyncStream, prompts, ids, full, deadline, options)
        started = self._language("generate", prompts, ids, full, deadline, options)
        return started.read(await self._pieces(started.call))

    def generate_stream(
        self,
        prompts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> AsyncStream:
        """As Client.generate_stream. Not a coroutine: "async for part in client.generate_stream(...)"."""
        return self._generate_stream(AsyncStream, prompts, ids, full, deadline, options)

    async def status(self, *, deadline: Optional[float] = None) -> Dict[str, Any]:
        """As Client.status."""
        return server_of(await self._pieces(self._plain("status", deadline)))

    async def ping(self, *, deadline: Optional[float] = None) -> float:
        """Seconds until the daemon answered."""
        begin = time.perf_counter()
        await self._pieces(self._plain("ping", deadline))
        return time.perf_counter() - begin


class _Source:
    """Texts of an ordinary or an asynchronous iterable, in groups."""

    def __init__(self, texts: Any) -> None:
        self.is_asynchronous = hasattr(texts, "__aiter__")
        self.iterator = texts.__aiter__() if self.is_asynchronous else iter(texts)
        self.is_at_end = False

    async def take(self, count: int) -> List[Union[str, Tuple[str, str]]]:
        group: List[Any] = []
        try:
            while len(group) < count:
                if self.is_asynchronous:
                    group.append(await self.iterator.__anext__())
                else:
                    group.append(next(self.iterator))
        except (StopIteration, StopAsyncIteration):
            self.is_at_end = True
        return group
