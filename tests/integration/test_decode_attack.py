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
