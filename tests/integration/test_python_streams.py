"""The Python client's policy for streams, with a scripted clock and no sockets: the same as
tests/unit/clients/test_exchange_streams.c."""

import sys

import msgpack
import pytest

from daemon_process import SOURCE_DIR

sys.path.insert(0, str(SOURCE_DIR / "clients" / "python"))

import ferry  # noqa: E402
from ferry.exchange import Call, Exchange, Piece, Settings  # noqa: E402

OK = {
    "status": "OK",
    "model": {"name": "m"},
    "tokens": [1],
    "truncated": [False],
    "seed": 3,
    "choices": [[{"ids": b"", "text": "", "finish_reason": "length"}]],
}


class Scene:
    """One call of one piece with one prompt, and what became of it."""

    def __init__(self, streams=True, choices=1, **settings):
        self.now = 0.0
        self.sent, self.parts = [], []
        self.exchange = Exchange(Settings(**settings), "ipc:///test", self._send, lambda _: None)
        self.call = Call(deadline=600.0, submitted=0.0, timeout=600.0)
        self.call.choices = choices
        if streams:
            self.call.on_part = lambda piece, part: self.parts.append(part)
        self.call.pieces = [Piece(self.call, 1, msgpack.packb({"id": 1}), 0, 1)]
        self.call.left = 1
        self.exchange.add(self.call, self.now)
        self.advance()

    def _send(self, body):
        self.sent.append(msgpack.unpackb(body))
        return True

    def advance(self, seconds=0.0):
        end = self.now + seconds
        while True:
            self.exchange.advance(self.now, True)
            if self.now >= end:
                return
            self.now = min(end, self.now + 0.05)

    def receive(self, **fields):
        self.exchange.receive(msgpack.packb({"v": 1, "id": 1, **fields}), self.now)
        self.advance()

    def part(self, number, index=0, choice=0, last=False):
        end = {"finish_reason": "length"} if last else {}
        self.receive(part=number, index=index, choice=choice, text="t", ids=b"", **end)

    def error(self):
        assert self.call.future.done()
        return self.call.future.exception(0)

    def requests(self):
        return [body for body in self.sent if body.get("op") not in ("ping", "cancel")]

    def cancels(self):
        return [body for body in self.sent if body.get("op") == "cancel"]


def test_parts_come_in_order_and_then_the_end():
    scene = Scene()
    for number in range(5):
        scene.part(number, last=number == 4)
    assert [part["part"] for part in scene.parts] == list(range(5))
    assert not scene.call.future.done()
    scene.receive(**OK)
    assert scene.call.future.result(0)[0].reply["seed"] == 3


@pytest.mark.parametrize("second", [0, 2, "1", -1])
def test_a_part_that_is_not_the_next_one(second):
    scene = Scene()
    scene.part(0)
    scene.part(second)
    assert isinstance(scene.error(), ferry.BadData)
    assert len(scene.parts) == 1 and scene.cancels() == [{"v": 1, "op": "cancel", "target": 1}]


def test_an_end_that_is_missing():
    scene = Scene(choices=2)
    scene.part(0, choice=1, last=True)
    scene.part(1)
    scene.receive(**OK)
    assert isinstance(scene.error(), ferry.BadData)


def test_an_item_with_an_error_needs_no_end():
    scene = Scene()
    scene.receive(**OK, errors=[{"index": 0, "status": "TOO_LONG", "message": ""}])
    assert scene.call.future.result(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": 1, "choice": 0},
        {"index": 0, "choice": 1},
        {"index": -1, "choice": 0},
        {"index": "0", "choice": 0},
        {"choice": 0},
        {"index": 0},
    ],
)
def test_parts_of_what_is_not_there(wrong):
    scene = Scene()
    scene.receive(part=0, text="", ids=b"", **wrong)
    assert isinstance(scene.error(), ferry.BadData)
    assert scene.parts == []


def test_parts_that_nobody_asked_for():
    scene = Scene(streams=False)
    scene.part(0)
    assert isinstance(scene.error(), ferry.BadData)


def test_a_connection_lost_before_the_first_part_begins_anew():
    scene = Scene()
    scene.exchange.connection_lost(scene.now)
    scene.advance(0.5)
    assert len(scene.requests()) == 2
    scene.part(0, last=True)
    scene.receive(**OK)
    assert scene.call.future.result(0)


def test_a_connection_lost_after_a_part_ends_the_call():
    scene = Scene()
    scene.part(0)
    scene.exchange.connection_lost(scene.now)
    assert isinstance(scene.error(), ferry.Unavailable)
    assert "in the middle of a stream" in str(scene.error())
    scene.advance(1)
    assert len(scene.requests()) == 1


def test_busy_is_tried_again_only_before_the_first_part():
    scene = Scene()
    scene.receive(status="BUSY", message="full", retry_after_ms=10)
    scene.advance(0.2)
    assert len(scene.requests()) == 2
    scene.part(0)
    scene.receive(status="SHUTTING_DOWN", message="stopping")
    assert isinstance(scene.error(), ferry.ShuttingDown) and len(scene.requests()) == 2


def test_parts_that_nobody_takes_are_bounded():
    scene = Scene(max_pending_bytes=300)
    for number in range(20):
        scene.part(number)
    assert isinstance(scene.error(), ferry.Busy)
    assert len(scene.parts) < 10 and len(scene.cancels()) == 1


def test_parts_keep_a_call_alive():
    scene = Scene(patience=4.0)
    number = 0
    while scene.now < 597:
        scene.advance(2.0)
        scene.part(number)
        number += 1
    assert not scene.call.future.done()
    scene.advance(4.0)
    assert isinstance(scene.error(), ferry.Timeout)
