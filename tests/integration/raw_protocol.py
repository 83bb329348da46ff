"""Protocol v1 spoken by hand, from docs/protocol.md alone: independent of ferry's own clients."""

import itertools
import time

import msgpack
import numpy
import zmq

ROW_TYPES = {"f32": numpy.dtype("<f4"), "f16": numpy.dtype("<f2"), "int8": numpy.dtype("i1")}


def encode(fields):
    return msgpack.packb({"v": 1, **fields}, use_bin_type=True)


def decode(body):
    return msgpack.unpackb(body, raw=False, strict_map_key=False)


def matrix(vectors):
    """The "vectors" map of an embed reply as float32 rows; binary gives 0 and 1."""
    count, width = vectors["shape"]
    kind, data = vectors["dtype"], vectors["data"]
    if kind == "binary":
        rows = numpy.frombuffer(data, numpy.uint8).reshape(count, (width + 7) // 8)
        return numpy.unpackbits(rows, axis=1)[:, :width].astype(numpy.float32)
    rows = numpy.frombuffer(data, ROW_TYPES[kind]).reshape(count, width).astype(numpy.float32)
    if kind == "int8":
        rows = rows * numpy.frombuffer(vectors["scales"], "<f4")[:, None]
    return rows


def ids_of(data):
    return numpy.frombuffer(data, "<i4").tolist()


def floats_of(data):
    return numpy.frombuffer(data, "<f4")


class NoReply(AssertionError):
    """Nothing came back within the time a test allows."""


class RawClient:
    """One DEALER (default) or REQ socket. Not thread-safe, like the socket itself."""

    def __init__(self, endpoint, kind=zmq.DEALER, timeout=60.0, empty_frame=False):
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 0
        self.socket.connect(endpoint)
        self.timeout = timeout
        self.empty_frame = empty_frame
        self.ids = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def send_body(self, body):
        self.socket.send_multipart([b"", body] if self.empty_frame else [body])

    def send(self, fields):
        """Sends a request, with an id of its own unless it has one; returns the id."""
        fields = dict(fields)
        fields.setdefault("id", next(self.ids))
        self.send_body(encode(fields))
        return fields["id"]

    def receive_body_or_none(self, timeout):
        if not self.socket.poll(max(0, int(timeout * 1000))):
            return None
        frames = self.socket.recv_multipart()
        expected = [b""] if self.empty_frame else []
        assert frames[:-1] == expected, f"reply came in the frames {frames!r}"
        return frames[-1]

    def receive(self, timeout=None):
        body = self.receive_body_or_none(self.timeout if timeout is None else timeout)
        if body is None:
            raise NoReply(f"no reply within {timeout or self.timeout} s")
        reply = decode(body)
        assert reply["v"] == 1 and isinstance(reply["status"], str), reply
        return reply

    def receive_stream(self, wanted=None, timeout=None):
        """The parts of one stream, in order, and its reply. Only this request may be in flight."""
        parts = []
        while True:
            body = self.receive_body_or_none(self.timeout if timeout is None else timeout)
            if body is None:
                raise NoReply(f"no part and no reply after {len(parts)} parts")
            message = decode(body)
            assert wanted is None or message["id"] == wanted, message
            if "status" in message:
                return parts, message
            assert message["part"] == len(parts), f"part {message['part']} after {len(parts)}"
            parts.append(message)

    def call_body(self, body, timeout=None):
        self.send_body(body)
        return self.receive(timeout)

    def call_or_none(self, fields, timeout):
        """As call, but None when nothing came in time; late replies to earlier calls are dropped."""
        wanted = self.send(fields)
        end = time.monotonic() + timeout
        while True:
            body = self.receive_body_or_none(end - time.monotonic())
            if body is None:
                return None
            reply = decode(body)
            if reply.get("id") == wanted:
                return reply

    def call(self, fields, timeout=None):
        wanted = self.send(fields)
        reply = self.receive(timeout)
        assert reply.get("id") == wanted, f"reply to {reply.get('id')!r}, asked {wanted!r}"
        return reply

    def ok_beside(self, waiting, fields):
        """As ok, while replies to the requests in the set `waiting` come in between: they leave it."""
        wanted = self.send(fields)
        while True:
            reply = self.receive()
            if reply["id"] == wanted:
                assert reply["status"] == "OK", reply
                return reply
            waiting.remove(reply["id"])

    def ok(self, fields, timeout=None):
        reply = self.call(fields, timeout)
        assert reply["status"] == "OK", f"{reply['status']}: {reply.get('message')}"
        return reply

    def embed(self, texts, **fields):
        """Rows and the whole reply."""
        reply = self.ok({"op": "embed", "texts": list(texts), **fields})
        return matrix(reply["vectors"]), reply
