"""What once went wrong in score, next and generate, found by attacking them."""

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
