"""The first things that must work: a daemon that answers, in all three forms of envelope."""

import struct

import numpy
import pytest
import zmq

from model_folders import MAX_LENGTH, WIDTH
from raw_protocol import RawClient, encode, matrix


def test_ping_echoes_the_id_with_its_type(client):
    for request_id in (0, 2**63, "an id", b"\x00\xff", ""):
        assert client.ok({"op": "ping", "id": request_id})["id"] == request_id


def test_request_without_id_has_a_reply_without_id(client):
    reply = client.call_body(encode({"op": "ping"}))
    assert reply == {"v": 1, "status": "OK"}


@pytest.mark.parametrize(
    "options",
    [{"kind": zmq.REQ}, {"kind": zmq.DEALER}, {"kind": zmq.DEALER, "empty_frame": True}],
    ids=["REQ", "DEALER", "DEALER with an empty frame"],
)
def test_each_form_of_envelope_is_answered_in_its_own_form(daemon, options):
    with RawClient(daemon.endpoint, **options) as client:
        for _ in range(3):
            rows, reply = client.embed(["hello world", "a second text"])
            assert rows.shape == (2, WIDTH)
            assert numpy.isfinite(rows).all()


def test_reply_tells_what_was_done(client):
    long_text = "word " * 1000
    _, reply = client.embed(["hello world", long_text])
    assert reply["tokens"] == [4, MAX_LENGTH]
    assert reply["truncated"] == [False, True]
    assert reply["model"]["name"] == "fake"
    assert reply["model"]["engine"] == "fake"
    assert reply["model"]["device"] and reply["model"]["precision"]
    assert isinstance(reply["padded_tokens"], int)
    assert "errors" not in reply and "message" not in reply
    times = reply["times_us"]
    assert set(times) == {"tokenize", "queue", "compute", "total"}
    assert 0 <= max(times["tokenize"], times["queue"], times["compute"]) <= times["total"]


def test_same_text_gives_the_same_row_and_normalize_scales_it(client):
    rows, _ = client.embed(["one", "two", "one"])
    assert (rows[0] == rows[2]).all() and not (rows[0] == rows[1]).all()
    assert numpy.allclose(numpy.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    raw, _ = client.embed(["one", "two", "one"], normalize=False)
    assert numpy.allclose(raw / numpy.linalg.norm(raw, axis=1)[:, None], rows, atol=1e-5)


def test_ids_instead_of_texts(client):
    rows, _ = client.embed(["hello world"])
    ids = [101, 7592, 2088, 102]
    forms = [ids, struct.pack("<4i", *ids)]
    for form in forms:
        reply = client.ok({"op": "embed", "ids": [form]})
        assert (matrix(reply["vectors"]) == rows).all()
        assert reply["tokens"] == [4]
