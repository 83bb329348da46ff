"""docs/protocol.md against Python's msgpack and a running daemon.

The examples' bytes are what Python's msgpack writes, every key the daemon answers with is in the
page's tables, and the page's first program runs.
"""

import re
import textwrap
from pathlib import Path

import msgpack
import pytest

from daemon_process import Daemon
from model_folders import make_fake_decoder
from raw_protocol import decode, encode

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def read_examples():
    found = {}
    for name, block in re.findall(r"^```hex (.*?)\n(.*?)^```", PAGE, re.M | re.S):
        found[name] = bytes.fromhex("".join(line.split("#")[0] for line in block.splitlines()))
    return found


EXAMPLES = read_examples()


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S).group(1)


def names_in_first_column(text):
    rows = re.findall(r"^\| (`[^|]*?) \|", text, re.M)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def row_of(text, name):
    return re.search(rf"^\|[^|]*`{name}`[^|]*\|(.*)\|$", text, re.M).group(1)


def check_map_is_documented(name, fields, text):
    """Each key of a nested map is named in the row of the key that holds it."""
    documented = set(re.findall(r"`(\w+)`", row_of(text, name)))
    assert set(fields) <= documented, name


def test_page_has_examples_of_both_directions():
    assert sum(name.startswith("request ") for name in EXAMPLES) >= 7
    assert sum(name.startswith("reply ") for name in EXAMPLES) >= 7


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_what_pythons_msgpack_writes(name):
    assert msgpack.packb(msgpack.unpackb(EXAMPLES[name], raw=False)) == EXAMPLES[name]


def test_annotations_of_strings_and_numbers_are_right():
    for name, block in re.findall(r"^```hex (.*?)\n(.*?)^```", PAGE, re.M | re.S):
        values = repr(msgpack.unpackb(EXAMPLES[name], raw=False))
        for text in re.findall(r'# *"(\w+)": (?:"|\d)', block):
            assert f"'{text}': " in values, (name, text)


def needs_language_model(name):
    operation = msgpack.unpackb(EXAMPLES[name], raw=False).get("op")
    return operation in ("score", "next", "generate")


REQUESTS = [name for name in EXAMPLES if name.startswith("request ")]


@pytest.mark.parametrize("name", [name for name in REQUESTS if not needs_language_model(name)])
def test_daemon_answers_the_example_with_documented_keys(client, name):
    fields = msgpack.unpackb(EXAMPLES[name], raw=False)
    if "model" in fields:  # the daemon under test has another name for its model
        del fields["model"]
    reply = client.call_body(encode(fields))
    assert reply["status"] == "OK", reply
    assert reply.get("id") == fields.get("id")
    table = section("Replies")
    assert set(reply) <= names_in_first_column(table)
    for key in ("model", "times_us", "vectors"):
        if key in reply:
            check_map_is_documented(key, reply[key], table)


@pytest.fixture(scope="module")
def language_client(scratch):
    """Of a daemon whose model has ids as large as the examples'."""
    size = {"width": 50257, "vocabulary_size": 50257}
    with Daemon([make_fake_decoder(scratch / "page-decoder", **size)]) as running:
        with running.client() as raw:
            yield raw


@pytest.mark.parametrize("name", [name for name in REQUESTS if needs_language_model(name)])
def test_daemon_answers_the_language_example_with_documented_keys(language_client, name):
    fields = msgpack.unpackb(EXAMPLES[name], raw=False)
    language_client.send_body(EXAMPLES[name])
    part_keys = names_in_first_column(section("Replies").split("### Streams")[1])
    while "status" not in (reply := decode(language_client.receive_body_or_none(30))):
        assert fields.get("stream") and set(reply) <= part_keys
    assert reply["status"] == "OK" and "errors" not in reply, reply
    assert reply["id"] == fields["id"]
    text = section("Replies")
    assert set(reply) <= names_in_first_column(text)
    key = {"score": "scores", "next": "nexts", "generate": "choices"}[fields["op"]]
    result = reply[key][0]
    paragraph = re.search(rf"^\*\*`{key}`\.\*\*(.*?)\n\n", text, re.M | re.S).group(1)
    documented = set(re.findall(r"`(\w+)`", paragraph))
    assert set(result[0] if key == "choices" else result) <= documented


def test_documented_status_is_the_daemons(client):
    server = client.ok({"op": "status"})["server"]
    table = section("Status")
    assert set(server) == names_in_first_column(table)
    for key in ("limits", "computed", "queued", "endpoint"):
        check_map_is_documented(key, server[key], table)
    check_map_is_documented("models", server["models"][0], table)
    check_map_is_documented("total_us", server["total_us"], table)


def test_documented_limits_are_the_daemons(client):
    limits = client.ok({"op": "status"})["server"]["limits"]
    text = section("Limits")
    assert limits["max_request_bytes"] == 16 << 20 and "16 MiB" in row_of_text(text, "body")
    for key, words in [("max_items", "items of a request"), ("max_ids_per_item", "ids of an item")]:
        assert f"{limits[key]:,}" in row_of_text(text, words)
    waiting = row_of_text(text, "accepted and not yet answered")
    assert f"{limits['queue_items']:,} items" in waiting
    assert f"{limits['queue_tokens']:,} tokens" in waiting
    assert f"{limits['queue_bytes'] >> 20} MiB" in waiting
    deadline = row_of(section("Requests"), "deadline_ms")
    assert str(limits["default_deadline_ms"]) in deadline
    assert f"1 to {limits['max_deadline_ms']}" in deadline


def row_of_text(text, words):
    return re.search(rf"^\| {words}.*$", text, re.M).group(0)


def test_first_program_of_the_page_runs(daemon):
    program = re.search(r"```python\n(.*?)```", PAGE, re.S).group(1)
    program = program.replace("ipc:///run/ferry/ferry.sock", daemon.endpoint)
    names = {}
    exec(textwrap.dedent(program), names)  # the page's own text
    names["socket"].close(0)
    assert names["vectors"].shape == (2, 384)
