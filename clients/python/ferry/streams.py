"""Streams of generate: parts as they are drawn, for ordinary code and for asyncio."""

from __future__ import annotations

import asyncio
import os
import queue
import time
from typing import Any, Callable, Dict, List, Optional

from .errors import FerryError, InternalError, Unavailable
from .exchange import Call, Piece
from .language import Part, part_of

# Beyond the deadline, at which the owner thread ends the call: so that not even a bug of ours can
# make a caller wait for ever.
GRACE = 10.0

Reader = Callable[[List[Piece]], Any]
OnPart = Callable[[Piece, Dict[str, Any]], None]


class _Stream:
    """What both kinds have in common. put takes what comes on the owner thread: (piece, part), and
    None at the end. It must not hold the stream itself, or dropping that would not end the call."""

    def __init__(
        self, cancel: Callable[[Call], None], read: Reader, put: Callable[[Any], None]
    ) -> None:
        self._call: Optional[Call] = None
        self._put = put
        self.on_part: OnPart = lambda piece, part: put((piece, part))
        self._cancel = cancel
        self._read = read
        self._ended = False
        self._process = os.getpid()
        self.result: Any = None
        """What generate without stream would have returned; set when the stream has ended."""

    def begin(self, call: Optional[Call]) -> None:
        """The call whose parts come; None: there are no prompts."""
        self._call = call
        if call is None:
            self._ended, self.result = True, self._read([])
        else:
            put = self._put
            call.future.add_done_callback(lambda _: put(None))

    def _take(self, item: Any) -> Optional[Part]:
        """The part; at the end None, or the call's exception."""
        assert self._call is not None
        if item is None:
            self._ended = True
            self._put(None)  # the end is everybody's who waits for a part
            self.result = self._read(self._call.future.result(0))
            return None
        piece, part = item
        self._call.taken_bytes += part["_size"]
        return part_of(piece, part)

    def _seconds_left(self) -> float:
        assert self._call is not None
        if os.getpid() != self._process:  # the thread that would bring parts is not here
            raise Unavailable("the stream was begun before fork(), and goes on in the parent alone")
        return max(self._call.deadline - time.monotonic(), 0) + GRACE

    def _give_up(self) -> None:
        if not self._ended and self._call is not None:
            self._ended = True
            self._cancel(self._call)

    def __del__(self) -> None:
        try:
            self._give_up()
        except Exception:  # at the very end of the program there may be nobody to tell
            pass


class Stream(_Stream):
    """Iterates over the parts of a generate call. Closing it, leaving its with block or dropping it
    before the end cancels the call at the daemon."""

    def __init__(self, cancel: Callable[[Call], None], read: Reader) -> None:
        self._items: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        super().__init__(cancel, read, self._items.put)

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Part:
        if self._ended:
            raise StopIteration
        try:
            part = self._take(self._items.get(timeout=self._seconds_left()))
        except queue.Empty:
            self._give_up()
            raise InternalError("the client's inner thread is stuck") from None
        except BaseException:
            self._give_up()
            raise
        if part is None:
            raise StopIteration
        return part

    def close(self) -> None:
        self._give_up()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()


class AsyncStream(_Stream):
    """As Stream, for "async for" and "async with". A task that is cancelled gives it up."""

    def __init__(self, cancel: Callable[[Call], None], read: Reader) -> None:
        loop = asyncio.get_running_loop()
        items: "asyncio.Queue[Any]" = asyncio.Queue()

        def put(item: Any) -> None:
            try:
                loop.call_soon_threadsafe(items.put_nowait, item)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        self._items = items
        super().__init__(cancel, read, put)

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> Part:
        if self._ended:
            raise StopAsyncIteration
        try:
            part = self._take(await asyncio.wait_for(self._items.get(), self._seconds_left()))
        except FerryError:
            self._give_up()
            raise
        except asyncio.TimeoutError:
            self._give_up()
            raise InternalError("the client's inner thread is stuck") from None
        except BaseException:
            self._give_up()
            raise
        if part is None:
            raise StopAsyncIteration
        return part

    async def close(self) -> None:
        self._give_up()

    aclose = close

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()
