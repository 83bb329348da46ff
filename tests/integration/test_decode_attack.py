"""What once went wrong in score, next and generate, found by attacking them."""

import time

import pytest

from daemon_process import Daemon
from model_folders import make_fake_decoder
from raw_protocol import ids_of


@pytest.fixture(scope="module")
def daemon(scratch):
    with Daemon([make_fake_decoder(scratch / "attacked")]) as running:
        yield running


def test_a_large_part_of_a_stream_is_sent_once(client):
    """Parts over 16 KiB are handed over instead of copied."""
    ids = list(range(100))
    wanted = client.send(
        {"op": "generate", "ids": [ids], "max_new_tokens": 20, "stream": True}
        | {"echo": True, "logprobs": True, "top": 100}
    )
    parts, reply = client.receive_stream(wanted)
    choice = reply["choices"][0][0]
    assert len(parts[0]["top_ids"]) > 16384
    assert [token for part in parts for token in ids_of(part["ids"])] == ids_of(choice["ids"])
    for key in ("logprobs", "top_ids", "top_logprobs"):
        assert b"".join(part[key] for part in parts) == choice[key]


def test_a_device_lost_in_search_of_a_bad_sequence(scratch):
    """The second step fails, its first half loses the device, its second half never runs."""
    script = "step_poison=200 lost_at=3 step_us=200000"
    daemon = Daemon([make_fake_decoder(scratch / "lost-half", script=script)]).start()
    try:
        with daemon.client() as client:
            first = client.send({"op": "next", "ids": [[9]]})
            time.sleep(0.05)
            for fields in (
                {"op": "next", "ids": [[1, 200]]},
                {"op": "next", "ids": [[1, 2]]},
                {"op": "generate", "ids": [[1, 2]], "max_new_tokens": 3},
                {"op": "score", "ids": [[1, 2, 3]]},
            ):
                client.send(fields)
            statuses = {}
            for _ in range(5):
                reply = client.receive()
                statuses[reply["id"]] = reply["status"]
            assert statuses.pop(first) == "OK"
            assert list(statuses.values()) == ["DEVICE_LOST"] * 4
        daemon.expect_exit(75)
    finally:
        daemon.remove()


@pytest.mark.parametrize("least", [0, 1, 3, 6, 59])
def test_no_stop_string_begins_before_min_new_tokens(client, least):
    """A longer stop string that may have begun must not keep a shorter one in sight."""
    fields = {
        "op": "generate",
        "texts": ["Once"],
        "max_new_tokens": 60,
        "skip_special_tokens": False,
    }
    whole = client.ok(fields)["choices"][0][0]
    ids = ids_of(whole["ids"])
    plain = [
        i
        for i in range(60)
        if client.ok({"op": "detokenize", "ids": [ids[i : i + 1]]})["texts"][0].isascii()
    ]
    letters = {
        i: client.ok({"op": "detokenize", "ids": [ids[i : i + 1]]})["texts"][0] for i in plain
    }
    for first in (i for i in plain if i < 8):
        letter = letters[first]
        expected = next((i for i in plain if i >= least and letters[i] == letter), 60)
        for stop in ([letter], [letter, letter + "\ufffd" * 80]):
            choice = client.ok({**fields, "min_new_tokens": least, "stop": stop})["choices"][0][0]
            assert ids_of(choice["ids"]) == ids[:expected], (first, stop)
            assert choice["finish_reason"] == ("length" if expected == 60 else "stop")
