"""What happens to requests: which to send when, which reply belongs to which, when to send again,
when to give up. A policy without threads, sockets or clock; connection.py owns those.

The same policy as clients/c/exchange.c.
"""

from __future__ import annotations

import random
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional

import msgpack

from .errors import (
    RETRYABLE,
    BadData,
    Busy,
    FerryError,
    Timeout,
    TooLarge,
    Unavailable,
    error_of,
)

SHORTEST_PAUSE = 0.010
LONGEST_PAUSE = 2.0
TICK = 0.1


@dataclass(frozen=True)
class Settings:
    deadline: float = 30.0
    patience: float = 4.0
    max_attempts: int = 8
    max_in_flight: int = 1024
    items_per_piece: int = 64
    bytes_per_piece: int = 256 * 1024
    max_pending_bytes: int = 256 * 1024 * 1024
    max_reply_bytes: int = 256 * 1024 * 1024
    generate_deadline: float = 600.0

    @property
    def heartbeat(self) -> float:
        return self.patience / 4


@dataclass(eq=False)
class Piece:
    """One request on the wire: some items of a call."""

    call: "Call"
    id: int
    body: bytes
    first: int
    count: int
    attempts: int = 0
    not_before: float = 0.0
    reply: Optional[Dict[str, Any]] = None
    error: Optional[FerryError] = None
    """Of the only item of this piece; the other pieces are answered."""
    next_part: int = 0
    """Of a stream: how many parts have been delivered."""
    ended_choices: int = 0
    """Of a stream: those whose last part has been."""


@dataclass(eq=False)
class Call:
    """One call of the user. future resolves to the pieces, in order, each with its reply."""

    deadline: float
    submitted: float
    timeout: float
    pieces: List[Piece] = field(default_factory=list)
    left: int = 0
    body_bytes: int = 0
    future: "Future[List[Piece]]" = field(default_factory=Future)
    on_part: Optional[Callable[["Piece", Dict[str, Any]], None]] = None
    """A stream: called with each part, in order, by the thread that owns the exchange."""
    choices: int = 1
    delivered_bytes: int = 0
    """Of parts; written by the thread that owns the exchange."""
    taken_bytes: int = 0
    """Of them; written by who takes them."""


class Exchange:
    """Used by one thread. send(body) says whether the socket took it."""

    def __init__(
        self,
        settings: Settings,
        endpoint: str,
        send: Callable[[bytes], bool],
        on_finished: Callable[[Call], None],
    ) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.send = send
        self.on_finished = on_finished
        self.live: Dict[Call, None] = {}
        self.pieces: Dict[int, Piece] = {}
        self.waiting: Deque[Piece] = deque()
        self.delayed: Dict[int, Piece] = {}
        self.sent: Dict[int, Piece] = {}
        # How many may be at the daemon: what it took when it last said BUSY, then slowly more.
        self.window = settings.max_in_flight
        self.answered_in_window = 0
        self.busy_since = 0.0
        self.last_heard = 0.0
        self.last_ping = 0.0
        self.next_look = 0.0
        self.gone = False

    def add(self, call: Call, now: float) -> None:
        if call.future.done():  # cancelled before it got here
            self.on_finished(call)
            return
        if not self.live:
            self.busy_since = now
        self.live[call] = None
        self.next_look = min(self.next_look, call.deadline)
        for piece in call.pieces:
            self.pieces[piece.id] = piece
            self.waiting.append(piece)

    # ---- the end of a call ----

    def _piece_done(self, piece: Piece) -> None:
        del self.pieces[piece.id]
        self.sent.pop(piece.id, None)
        self.delayed.pop(piece.id, None)
        piece.body = b""
        piece.call.left -= 1
        if piece.call.left == 0:
            self._finish(piece.call, None)

    def _finish(self, call: Call, error: Optional[FerryError]) -> None:
        del self.live[call]
        self.on_finished(call)
        try:
            if error is None:
                call.future.set_result(call.pieces)
            else:
                call.future.set_exception(error)
        except InvalidStateError:
            pass  # the caller has given it up

    def fail(self, call: Call, error: FerryError) -> None:
        """The whole call ends; the daemon is told to drop what it has of it."""
        if call not in self.live:
            return
        for piece in call.pieces:
            if self.pieces.pop(piece.id, None) is None:
                continue
            if self.sent.pop(piece.id, None) is not None:
                self.send(msgpack.packb({"v": 1, "op": "cancel", "target": piece.id}))
            self.delayed.pop(piece.id, None)
        self._finish(call, error)

    def fail_all(self, error: FerryError) -> None:
        for call in list(self.live):
            self.fail(call, error)

    # ---- replies ----

    def receive(self, body: bytes, now: float) -> None:
        self.last_heard = now
        try:
            reply = msgpack.unpackb(body, raw=False, strict_map_key=False, unicode_errors="replace")
            number = reply.get("id")
            is_part = "part" in reply and "status" not in reply
            status = "" if is_part else reply["status"]
        except Exception as cause:  # whatever is there, it is no ferryd
            self.fail_all(BadData(f"{self.endpoint} sent something that is no reply: {cause}"))
            return
        piece = self.pieces.get(number) if isinstance(number, int) else None
        if piece is None and "id" not in reply and status == "TOO_LARGE" and self.sent:
            # The daemon does not read a body that is over its limit, so it cannot tell the id.
            piece = max(self.sent.values(), key=lambda candidate: len(candidate.body))
        if piece is None:
            return  # a pong, or the second reply to a request that was sent twice
        if is_part:
            self._part_came(piece, reply, len(body))
        elif status == "OK":
            self._piece_answered(piece, reply)
        else:
            self._piece_failed(piece, reply, now)

    def _piece_answered(self, piece: Piece, reply: Dict[str, Any]) -> None:
        failed = len(reply.get("errors") or ())
        # The last part of every choice has come: nothing was lost at the end either.
        if piece.call.on_part and piece.ended_choices < (piece.count - failed) * piece.call.choices:
            self.fail(piece.call, self._stream_broken(piece))
            return
        self._widen_window()
        piece.reply = reply
        self._piece_done(piece)

    # ---- parts of a stream ----

    def _stream_broken(self, piece: Piece) -> BadData:
        return BadData(
            f"parts of the stream from {self.endpoint} were lost: {piece.next_part} came in order; "
            "a daemon drops what is not read in time"
        )

    def _part_came(self, piece: Piece, part: Dict[str, Any], size: int) -> None:
        call = piece.call
        index, choice = part.get("index"), part.get("choice")
        fits = isinstance(index, int) and isinstance(choice, int)
        fits = fits and 0 <= index < piece.count and 0 <= choice < call.choices
        if call.on_part is None or not fits:
            text = f"{self.endpoint} sent a part of a stream that was not asked for"
            self.fail(call, BadData(text))
        elif part["part"] != piece.next_part:
            self.fail(call, self._stream_broken(piece))
        elif call.delivered_bytes - call.taken_bytes > self.settings.max_pending_bytes:
            self.fail(call, Busy("the stream's parts are not taken: too many bytes of them wait"))
        else:
            piece.next_part += 1
            piece.ended_choices += "finish_reason" in part
            part["_size"] = size
            call.delivered_bytes += size
            call.on_part(piece, part)

    def _widen_window(self) -> None:
        self.answered_in_window += 1
        if self.answered_in_window >= self.window:
            self.answered_in_window = 0
            wider = self.window + max(self.window // 8, 1)
            self.window = min(wider, self.settings.max_in_flight)

    def _piece_failed(self, piece: Piece, reply: Dict[str, Any], now: float) -> None:
        advice = reply.get("retry_after_ms") or 0
        self.sent.pop(piece.id, None)  # the daemon is through with it: nothing to cancel there
        may_begin_anew = piece.next_part == 0  # parts would come to the user twice
        retryable = may_begin_anew and reply["status"] in RETRYABLE
        if retryable and self._retry_later(piece, reply["status"], advice, now):
            return
        message = str(reply.get("message", ""))
        if reply["status"] == "TOO_LARGE" and piece.count == 1:
            piece.error = TooLarge(message, index=piece.first)
            self._piece_done(piece)
            return
        self.fail(piece.call, error_of(reply["status"], message, retry_after_ms=advice))

    def _pause(self, piece: Piece, advice_ms: int) -> float:
        pause = min(SHORTEST_PAUSE * 2 ** min(piece.attempts, 16), LONGEST_PAUSE)
        return max(pause, advice_ms / 1000) * (1 + random.random() / 4)

    def _retry_later(self, piece: Piece, status: str, advice_ms: int, now: float) -> bool:
        pause = self._pause(piece, advice_ms)
        if status == "BUSY":
            self.window = max(len(self.sent), 1)
            if self.sent:  # the queue is full of our own requests: no attempt in vain
                piece.attempts -= 1
        if piece.attempts >= self.settings.max_attempts or now + pause >= piece.call.deadline:
            return False
        self._delay(piece, now + pause)
        return True

    def _delay(self, piece: Piece, until: float) -> None:
        self.sent.pop(piece.id, None)
        piece.not_before = until
        self.delayed[piece.id] = piece
        self.next_look = min(self.next_look, until)

    # ---- time ----

    def connection_lost(self, now: float) -> None:
        """The connection broke: what was sent and not answered goes out again."""
        for piece in list(self.sent.values()):
            if piece.id not in self.sent:
                continue  # its call failed a moment ago
            if piece.next_part > 0:
                text = f"the connection to {self.endpoint} was lost in the middle of a stream"
                self.fail(piece.call, Unavailable(text))
            elif piece.attempts >= self.settings.max_attempts:
                self.fail(
                    piece.call,
                    Unavailable(
                        f"the connection to {self.endpoint} was lost {piece.attempts} times while "
                        "it worked on this request"
                    ),
                )
            else:
                self._delay(piece, now + self._pause(piece, 0))

    def _give_up_what_is_late(self, now: float) -> None:
        for call in list(self.live):
            if now >= call.deadline:
                text = f"no reply from {self.endpoint} within the deadline of {call.timeout:.3g} s"
                self.fail(call, Timeout(text))
            elif now - max(self.last_heard, call.submitted) >= self.settings.patience:
                self.gone = True
                text = (
                    f"nobody answers at {self.endpoint} (silent for "
                    f"{self.settings.patience:.3g} s): is ferryd running there?"
                )
                self.fail(call, Unavailable(text))

    def _wake_delayed(self, now: float) -> None:
        for piece in [p for p in self.delayed.values() if now >= p.not_before]:
            del self.delayed[piece.id]
            self.waiting.append(piece)

    def _send_heartbeat(self, now: float) -> None:
        if now - max(self.last_heard, self.busy_since, self.last_ping) < self.settings.heartbeat:
            return
        self.last_ping = now
        self.send(msgpack.packb({"v": 1, "op": "ping"}))

    def _send_waiting(self) -> None:
        while self.waiting and len(self.sent) < self.window:
            piece = self.waiting[0]
            if piece.id in self.pieces:
                if not self.send(piece.body):
                    return  # deadline and patience end it if this stays so
                piece.attempts += 1
                self.sent[piece.id] = piece
            self.waiting.popleft()

    def advance(self, now: float, connected: bool) -> None:
        """Does what is due: deadlines, patience, retries, heartbeat; sends what may be sent."""
        if now >= self.next_look:
            self._give_up_what_is_late(now)
            self._wake_delayed(now)
            events = [now + TICK]
            events += [call.deadline for call in self.live]
            events += [piece.not_before for piece in self.delayed.values()]
            self.next_look = min(events)
        if connected and self.live:
            self._send_heartbeat(now)
            self._send_waiting()

    def timeout(self, now: float) -> Optional[float]:
        """Seconds until advance has something to do; None: nothing is pending."""
        return max(self.next_look - now, 0.0) if self.live else None
