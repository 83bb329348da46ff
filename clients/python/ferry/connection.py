"""The thread that owns the socket. Calls come in from any thread and end in a Future.

After fork() the child starts afresh: its first call makes a connection of its own.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

import zmq
from zmq.utils.monitor import parse_monitor_message

from .errors import Busy, Cancelled, FerryError, InternalError, TooLarge, Unavailable
from .exchange import Call, Exchange, Piece, Settings

# Encodes items first .. first + count under this id.
Encoder = Callable[[int, int, int], bytes]

_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()
# Sockets of the parent process: never closed nor collected in a child, which would disturb it.
_left_by_fork: List[object] = []


class Connection:
    """One DEALER socket to one daemon, connected by the first call. Any thread."""

    def __init__(self, endpoint: str, settings: Settings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._closed = False
        self._start_afresh()
        _connections.add(self)

    def _start_afresh(self) -> None:
        # Reentrant, as the garbage collector may drop a stream, which cancels its call, anywhere:
        # also in this thread while it holds the lock.
        self._lock = threading.RLock()
        self._inbox: Deque[Call] = deque()
        self._cancelled: Deque[Call] = deque()
        self._ids = itertools.count(1)
        self._pending_bytes = 0
        self._thread: Optional[threading.Thread] = None
        self._wake: Optional[Tuple[int, int]] = None
        self._owner: Optional[_Owner] = None

    def _after_fork_in_child(self) -> None:
        _left_by_fork.append(self._owner)
        self._close_wake()
        self._start_afresh()

    # ---- calls, from any thread ----

    def submit(
        self,
        sizes: List[int],
        encode: Encoder,
        deadline: Optional[float],
        whole: bool = False,
        choices: int = 1,
        on_part: Optional[Callable[[Piece, Dict[str, Any]], None]] = None,
    ) -> Call:
        """Starts a call. sizes: about how many bytes each item takes; empty for a request without
        items. The daemon's limits are kept by splitting, unless it has to stay whole. on_part: as
        in Call."""
        timeout = self.settings.deadline if deadline is None else deadline
        if not 0 < timeout <= 3600:
            raise ValueError(
                f"deadline must be more than 0 and at most 3600 seconds, not {timeout}"
            )
        now = time.monotonic()
        call = Call(deadline=now + timeout, submitted=now, timeout=timeout)
        call.choices, call.on_part = choices, on_part
        for first, count in [(0, len(sizes))] if whole else self._split(sizes):
            number = next(self._ids)
            body = encode(number, first, count)
            call.body_bytes += len(body)
            call.pieces.append(Piece(call, number, body, first, count))
        call.left = len(call.pieces)
        self._post(call)
        return call

    def _split(self, sizes: List[int]) -> List[Tuple[int, int]]:
        pieces: List[Tuple[int, int]] = []
        first, size_of_piece = 0, 0
        for index, size in enumerate(sizes):
            count = index - first
            too_many = count >= self.settings.items_per_piece
            if count and (too_many or size_of_piece + size > self.settings.bytes_per_piece):
                pieces.append((first, count))
                first, size_of_piece = index, 0
            size_of_piece += size
        pieces.append((first, len(sizes) - first))
        return pieces

    def _post(self, call: Call) -> None:
        limit = self.settings.max_pending_bytes
        if call.body_bytes > limit:
            raise TooLarge(f"the request has more than {limit} bytes: send it in parts")
        with self._lock:
            if self._closed:
                raise Cancelled("the client is closed")
            if self._pending_bytes and self._pending_bytes + call.body_bytes > limit:
                raise Busy(
                    f"{self._pending_bytes} bytes of requests are pending in this client already: "
                    "wait for some of them first"
                )
            self._pending_bytes += call.body_bytes
            self._inbox.append(call)
            self._ensure_running()
            self._ring()

    def wait(self, call: Call) -> List[Piece]:
        """The result of a call. Given up when an exception (KeyboardInterrupt) comes instead."""
        try:
            # The owner thread ends every call by its deadline; the grace is there so that not even
            # a bug of ours can make a caller wait for ever.
            return call.future.result(max(call.deadline - time.monotonic(), 0) + 10)
        except FerryError:
            raise
        except BaseException as cause:
            self.cancel(call)
            if isinstance(cause, (TimeoutError, FutureTimeout)):
                raise InternalError("the client's inner thread is stuck") from None
            raise

    def cancel(self, call: Call) -> None:
        with self._lock:
            if self._thread is None:
                return
            self._cancelled.append(call)
            self._ring()

    def close(self) -> None:
        """Ends what is pending with Cancelled, and the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
            if thread is not None:
                self._ring()
            else:
                self._close_wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def _ensure_running(self) -> None:
        if self._thread is not None:
            return
        if self._wake is None:
            self._wake = os.pipe()
            for descriptor in self._wake:
                os.set_blocking(descriptor, False)
        self._owner = _Owner(self, self._wake[0])
        self._thread = threading.Thread(target=self._owner.run, name="ferry-client", daemon=True)
        self._thread.start()

    def _ring(self) -> None:
        assert self._wake is not None
        try:
            os.write(self._wake[1], b"x")
        except BlockingIOError:
            pass  # full of rings already

    # ---- for the owner thread ----

    def _take(self) -> Tuple[List[Call], List[Call], bool]:
        with self._lock:
            calls = [self._inbox.popleft() for _ in range(len(self._inbox))]
            cancelled = [self._cancelled.popleft() for _ in range(len(self._cancelled))]
            return calls, cancelled, self._closed

    def _take_last(self) -> List[Call]:
        """What is left when the thread ends; the next call starts a new one."""
        with self._lock:
            calls = list(self._inbox)
            self._inbox.clear()
            self._cancelled.clear()
            self._thread = None
            if self._closed:
                self._close_wake()
            return calls

    def _close_wake(self) -> None:
        if self._wake is not None:
            for descriptor in self._wake:
                os.close(descriptor)
        self._wake = None

    def _finished(self, call: Call) -> None:
        with self._lock:
            self._pending_bytes -= call.body_bytes


class _Owner:
    """What belongs to the owner thread alone."""

    def __init__(self, connection: Connection, wake: int) -> None:
        self.connection = connection
        self.wake = wake
        self.context = zmq.Context()
        self.connected = False
        self.socket: Optional[zmq.Socket] = None
        self.monitor: Optional[zmq.Socket] = None
        self.exchange = Exchange(
            connection.settings, connection.endpoint, self._send, connection._finished
        )

    def _open(self) -> None:
        settings = self.connection.settings
        heartbeat = max(1, int(settings.heartbeat * 1000))
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.immediate = 1
        self.socket.sndhwm = settings.max_in_flight + 64
        self.socket.rcvhwm = 0
        self.socket.maxmsgsize = settings.max_reply_bytes
        self.socket.reconnect_ivl = 100
        self.socket.reconnect_ivl_max = 1000
        self.socket.heartbeat_ivl = heartbeat
        self.socket.heartbeat_timeout = 3 * heartbeat
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        try:
            self.socket.connect(self.connection.endpoint)
        except zmq.ZMQError as cause:
            raise Unavailable(f"{self.connection.endpoint}: {cause}") from None

    def _close(self) -> None:
        if self.socket is not None:
            self.socket.disable_monitor()
            self.socket.close(linger=0)
        self.socket = self.monitor = None
        self.connected = False

    def _send(self, body: bytes) -> bool:
        if not self.connected or self.socket is None:
            return False
        try:
            self.socket.send(body, zmq.DONTWAIT)
            return True
        except zmq.ZMQError:
            return False

    def _follow_connection(self, now: float) -> None:
        assert self.monitor is not None
        while self.monitor.poll(0):
            event = parse_monitor_message(self.monitor.recv_multipart())["event"]
            was_connected, self.connected = self.connected, event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            if was_connected and not self.connected:
                self.exchange.connection_lost(now)

    def _receive_all(self, now: float) -> None:
        assert self.socket is not None
        while True:
            try:
                body = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            if self.socket.rcvmore:  # no reply of ours has several frames
                while self.socket.rcvmore:
                    body = self.socket.recv(zmq.DONTWAIT)
            self.exchange.receive(body, now)

    def _wait(self, timeout: Optional[float]) -> None:
        assert self.socket is not None and self.monitor is not None
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self.monitor, zmq.POLLIN)
        poller.register(self.wake, zmq.POLLIN)
        poller.poll(None if timeout is None else int(timeout * 1000) + 1)
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            pass

    def _step(self) -> bool:
        now = time.monotonic()
        calls, cancelled, closed = self.connection._take()
        for call in calls:
            self.exchange.add(call, now)
        for call in cancelled:
            self.exchange.fail(call, Cancelled("the caller gave the request up"))
        if closed:
            return False
        self._receive_all(now)
        self._follow_connection(now)
        self.exchange.advance(now, self.connected)
        if self.exchange.gone:  # connected or not, yet silent: only a fresh connection is sure
            self.exchange.gone = False
            self._close()
            self.exchange.connection_lost(now)
            self._open()
        self._wait(self.exchange.timeout(time.monotonic()))
        return True

    def run(self) -> None:
        error: FerryError = Cancelled("the client was closed")
        try:
            self._open()
            while self._step():
                pass
        except FerryError as cause:
            error = cause
        except Exception as cause:  # a bug of ours must not leave callers waiting
            error = InternalError(f"the client's inner thread failed: {cause!r}")
        now = time.monotonic()
        for call in self.connection._take_last():
            self.exchange.add(call, now)
        self.exchange.fail_all(error)
        self._close()
        self.context.destroy(linger=0)


def _after_fork_in_child() -> None:
    for connection in list(_connections):
        connection._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
