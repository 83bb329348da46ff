"""Bad input: a typed error that names the culprit, while other clients are served as before."""

import os
import random
import struct
import threading
from pathlib import Path

import msgpack
import pytest
import zmq

from model_folders import VOCABULARY_SIZE, make_fake
from raw_protocol import RawClient, encode, matrix


class Bystander(threading.Thread):
    """Another client that embeds all the time and keeps what did not go as it should."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        self.endpoint, self.stopping, self.failures, self.answered = endpoint, False, [], 0

    def run(self):
        with RawClient(self.endpoint) as client:
            first, _ = client.embed(["the bystander's own text"])
            while not self.stopping:
                try:
                    rows, _ = client.embed(["the bystander's own text"])
                    if not (rows == first).all():
                        self.failures.append("another row for the same text")
                except Exception as error:  # whatever it is, the test must hear of it
                    self.failures.append(repr(error))
                    return
                self.answered += 1


@pytest.fixture(scope="module", autouse=True)
def bystander(daemon):
    thread = Bystander(daemon.endpoint)
    thread.start()
    yield thread
    thread.stopping = True
    thread.join(60)
    assert not thread.is_alive() and not thread.failures, thread.failures
    assert thread.answered > 10


@pytest.fixture(autouse=True)
def bystander_goes_on(bystander):
    yield
    assert bystander.is_alive() and not bystander.failures, bystander.failures


def expect(reply, status, *words):
    assert reply["status"] == status, reply
    message = reply["message"]
    for word in words:
        assert word.lower() in message.lower(), f"{word!r} is not in {message!r}"
    return reply


NOT_MSGPACK_MAPS = {
    "empty body": b"",
    "reserved byte": b"\xc1",
    "text": b"hello",
    "array": msgpack.packb([1, 2]),
    "map cut in the key": encode({"op": "ping"})[:-3],
    "map cut after the key": b"\x81\xa1v",
    "map that declares 2^32-1 entries": b"\xdf\xff\xff\xff\xff",
    "array that declares 2^32-1 entries": b"\x82\xa1v\x01\xa5texts\xdd\xff\xff\xff\xff",
    "string that declares 4 GiB": b"\x82\xa1v\x01\xa2op\xdb\xff\xff\xff\xff",
    "nested 200 deep": b"\x82\xa1v\x01\xa5texts" + b"\x91" * 200,
    "trailing bytes": encode({"op": "ping"}) + b"\x00",
    "extension type": b"\x82\xa1v\x01\xa2op\xd4\x01\x00",
    "key that is no string": msgpack.packb({"v": 1, 2: "ping"}),
}


@pytest.mark.parametrize("body", NOT_MSGPACK_MAPS.values(), ids=NOT_MSGPACK_MAPS.keys())
def test_broken_msgpack_is_refused(client, body):
    expect(client.call_body(body), "BAD_REQUEST")
    assert client.ok({"op": "ping"})


def test_every_cut_of_a_request_is_refused(client):
    body = encode({"op": "embed", "id": "x", "texts": ["one", ["two", "three"]], "dtype": "f32"})
    for end in range(len(body)):
        expect(client.call_body(body[:end]), "BAD_REQUEST")
    assert client.call_body(body)["status"] == "OK"


def test_random_changes_of_a_request_never_stop_the_daemon(client):
    body = encode({"op": "embed", "id": 7, "texts": ["one", ["two", "three"]], "deadline_ms": 9})
    generator = random.Random(3)
    for _ in range(3000):
        changed = bytearray(body)
        for _ in range(generator.randint(1, 4)):
            changed[generator.randrange(len(changed))] = generator.randrange(256)
        client.send_body(bytes(changed))
    for _ in range(3000):
        assert client.receive()["status"] in {
            "OK",
            "BAD_REQUEST",
            "UNSUPPORTED",
            "TOO_LARGE",
            "NOT_FOUND",
            "DEADLINE",
            "BUSY",
        }


EMBED = {"op": "embed", "texts": ["a"]}
WRONG_FIELDS = {
    "unknown key": ({**EMBED, "txets": ["a"]}, "BAD_REQUEST", "txets"),
    "key of another operation": ({**EMBED, "offsets": True}, "BAD_REQUEST", "offsets"),
    "texts is a string": ({"op": "embed", "texts": "a"}, "BAD_REQUEST", "texts"),
    "texts holds a number": ({"op": "embed", "texts": ["a", 5]}, "BAD_REQUEST", "texts"),
    "triple instead of a pair": (
        {"op": "embed", "texts": [["a", "b", "c"]]},
        "BAD_REQUEST",
        "texts",
    ),
    "no texts": ({"op": "embed"}, "BAD_REQUEST", "texts"),
    "empty list": ({"op": "embed", "texts": []}, "BAD_REQUEST", "texts"),
    "empty list of ids": ({"op": "embed", "ids": []}, "BAD_REQUEST", "ids"),
    "texts and ids": ({**EMBED, "ids": [[101, 102]]}, "BAD_REQUEST", "ids"),
    "op is a number": ({"op": 5}, "BAD_REQUEST", "op"),
    "no op": ({"texts": ["a"]}, "BAD_REQUEST", "op"),
    "unknown op": ({"op": "translate"}, "UNSUPPORTED", "translate"),
    "version 2": ({**EMBED, "v": 2}, "UNSUPPORTED", "version"),
    "version is a string": ({**EMBED, "v": "1"}, "BAD_REQUEST", "v"),
    "unknown model": ({**EMBED, "model": "nosuch"}, "NOT_FOUND", "nosuch"),
    "long model name": ({**EMBED, "model": "m" * 65}, "BAD_REQUEST", "model"),
    "deadline 0": ({**EMBED, "deadline_ms": 0}, "BAD_REQUEST", "deadline_ms"),
    "deadline over an hour": ({**EMBED, "deadline_ms": 3600001}, "BAD_REQUEST", "deadline_ms"),
    "negative deadline": ({**EMBED, "deadline_ms": -1}, "BAD_REQUEST", "deadline_ms"),
    "unknown priority": ({**EMBED, "priority": "urgent"}, "BAD_REQUEST", "priority"),
    "unknown dtype": ({**EMBED, "dtype": "f64"}, "BAD_REQUEST", "dtype"),
    "unknown truncation": ({**EMBED, "truncate": "middle"}, "BAD_REQUEST", "truncate"),
    "unknown strategy": ({**EMBED, "strategy": "both"}, "BAD_REQUEST", "strategy"),
    "normalize is a number": ({**EMBED, "normalize": 1}, "BAD_REQUEST", "normalize"),
    "ids is not an array of arrays": ({"op": "embed", "ids": [101]}, "BAD_REQUEST", "ids"),
    "ids as bytes of odd size": ({"op": "embed", "ids": [b"\0" * 5]}, "BAD_REQUEST", "ids"),
    "type_ids of other length": (
        {"op": "embed", "ids": [[101, 102]], "type_ids": [[0]]},
        "BAD_REQUEST",
        "type_ids",
    ),
    "type_ids without ids": ({**EMBED, "type_ids": [[0]]}, "BAD_REQUEST", "type_ids"),
    "cancel without target": ({"op": "cancel"}, "BAD_REQUEST", "target"),
}


@pytest.mark.parametrize("case", WRONG_FIELDS.values(), ids=WRONG_FIELDS.keys())
def test_wrong_fields_are_refused_by_name(client, case):
    fields, status, word = case
    expect(client.call(fields), status, word)


def test_missing_version_is_refused(client):
    expect(client.call_body(msgpack.packb({"op": "ping"})), "BAD_REQUEST", "v")


def test_duplicate_key_is_refused(client):
    body = b"\x83\xa1v\x01\xa2op\xa4ping\xa2op\xa4ping"
    expect(client.call_body(body), "BAD_REQUEST", "op")


def test_id_over_64_bytes_is_refused(client):
    expect(client.call_body(encode({"op": "ping", "id": "x" * 65})), "BAD_REQUEST", "id")


def test_error_carries_the_id_wherever_it_stands_in_the_map(client):
    early = client.call_body(msgpack.packb({"id": "e", "v": 1, "op": "embed", "texts": 5}))
    assert early["id"] == "e"
    late = client.call_body(msgpack.packb({"v": 1, "op": "embed", "texts": 5, "id": "l"}))
    assert late.get("id") in ("l", None)  # the id may be behind what could not be read


def test_broken_utf8_is_the_error_of_its_own_item(client):
    texts = [b"good", b"bad \xff", b"\xed\xa0\x80", b"also good", b"cut \xe4\xb8"]
    array = bytes([0x90 + len(texts)]) + b"".join(bytes([0xA0 + len(t)]) + t for t in texts)
    reply = client.call_body(b"\x83\xa1v\x01\xa2op\xa5embed\xa5texts" + array)
    assert reply["status"] == "OK"
    assert [e["index"] for e in reply["errors"]] == [1, 2, 4]
    for error in reply["errors"]:
        assert error["status"] == "INVALID_INPUT"
        assert "utf-8" in error["message"].lower()
    assert "4" in reply["errors"][0]["message"]  # the byte at fault
    rows = matrix(reply["vectors"])
    expected, _ = client.embed(["good", "also good"])
    assert (rows[[0, 3]] == expected).all() and (rows[[1, 2, 4]] == 0).all()
    assert [reply["tokens"][i] for i in (1, 2, 4)] == [0, 0, 0]


@pytest.mark.parametrize("bad", [VOCABULARY_SIZE, 2**31 - 1], ids=["first one out", "largest"])
def test_id_out_of_range_is_the_error_of_its_own_item(client, bad):
    good = [101, 7592, 102]
    reply = client.ok({"op": "embed", "ids": [good, [101, bad, 102], good]})
    (error,) = reply["errors"]
    assert (error["index"], error["status"]) == (1, "INVALID_INPUT")
    assert str(bad) in error["message"] and str(VOCABULARY_SIZE) in error["message"]
    rows = matrix(reply["vectors"])
    assert (rows[0] == rows[2]).all() and (rows[1] == 0).all() and rows[0].any()


def test_negative_id_is_refused(client):
    reply = client.call({"op": "embed", "ids": [struct.pack("<3i", 101, -5, 102)]})
    texts = [e["message"] for e in reply.get("errors", [])] + [reply.get("message", "")]
    assert any("-5" in text for text in texts), reply


def test_too_many_ids_are_an_error_not_a_silent_cut(client):
    reply = client.call({"op": "embed", "ids": [[101] + [7592] * 300 + [102]], "truncate": "error"})
    statuses = [e["status"] for e in reply.get("errors", [])] + [reply["status"]]
    assert "TOO_LONG" in statuses, reply


def test_truncate_error_refuses_only_the_long_item(client):
    reply = client.ok({"op": "embed", "texts": ["short", "long " * 400], "truncate": "error"})
    (error,) = reply["errors"]
    assert (error["index"], error["status"]) == (1, "TOO_LONG")
    assert "256" in error["message"]
    assert matrix(reply["vectors"])[0].any()


def test_ten_megabyte_text_is_cut_or_refused_and_says_so(client):
    limits = client.ok({"op": "status"})["server"]["limits"]
    for text in ("x" * 10_000_000, "word " * 2_000_000, "字" * 3_400_000):
        reply = client.call({"op": "embed", "texts": [text]})
        if reply["status"] == "OK":
            assert len(text.encode()) <= limits["max_request_bytes"]
            assert reply["truncated"] == [True] or reply["tokens"] == [3]
        else:
            assert len(text.encode()) > limits["max_request_bytes"]
            expect(reply, "TOO_LARGE", str(limits["max_request_bytes"]))


def test_body_just_over_the_limit_is_answered_and_one_under_it_computed(client):
    limit = client.ok({"op": "status"})["server"]["limits"]["max_request_bytes"]
    overhead = len(encode({"op": "embed", "id": 1, "texts": ["x" * 70_000]})) - 70_000
    assert (
        client.call_body(encode({"op": "embed", "id": 1, "texts": ["x" * (limit - overhead)]}))[
            "status"
        ]
        == "OK"
    )
    over = client.call_body(
        encode({"op": "embed", "id": 1, "texts": ["x" * (limit - overhead + 1)]})
    )
    expect(over, "TOO_LARGE", str(limit))


def test_too_many_items_are_refused(client):
    limit = client.ok({"op": "status"})["server"]["limits"]["max_items"]
    expect(client.call({"op": "embed", "texts": ["a"] * (limit + 1)}), "TOO_LARGE", str(limit))


def test_strange_envelopes_are_counted_and_harmless(daemon, client):
    before = client.ok({"op": "status"})["server"]["endpoint"]["malformed_envelopes"]
    with daemon.client() as other:
        other.socket.send_multipart([b"x", b"y", b"z"])
        other.socket.send_multipart([b"", b"", b"", b""])
        assert other.ok({"op": "ping"})
    after = client.ok({"op": "status"})["server"]["endpoint"]["malformed_envelopes"]
    assert after == before + 2


def test_clients_that_leave_before_their_answer_are_counted(daemon, client):
    for _ in range(20):
        with daemon.client(kind=zmq.DEALER) as other:
            other.socket.linger = 1000
            for _ in range(5):
                other.send({"op": "embed", "texts": ["gone " * 100]})
    assert client.ok({"op": "ping"})


def processor_seconds(daemon):
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_one_id_for_all_requests_costs_no_more_than_different_ids(start_daemon, scratch):
    """All wait at the same time, behind one batch that hangs."""
    count, seconds = 30_000, []
    for one_id in (False, True):
        model = make_fake(scratch / f"hangs-{one_id}", script="hang_at=1 hang_ms=3000")
        daemon = start_daemon([model])
        with daemon.client() as client:
            client.send({"op": "embed", "texts": ["first"], "id": "first"})
            for i in range(count):
                client.send(
                    {"op": "embed", "texts": ["a"], "dtype": "binary", "id": 7 if one_id else i}
                )
            for _ in range(count + 1):
                assert client.receive()["status"] == "OK"
        seconds.append(processor_seconds(daemon))
    assert seconds[1] < 2 * seconds[0] + 0.5, seconds
