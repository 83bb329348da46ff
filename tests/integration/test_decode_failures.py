"""What goes wrong with score, next and generate: a typed error for its sender, nothing for others."""

import math

import pytest

from daemon_process import Daemon, run_until_exit
from decoding import VOCABULARY, check_score, generate, prompt
from fake_rows import fake_greedy
from model_folders import DECODE_LENGTH, DECODE_VOCABULARY, make_fake_decoder
from raw_protocol import ids_of


@pytest.fixture(scope="module")
def daemon(decoder):
    with Daemon([decoder]) as running:
        yield running


def test_one_bad_sequence_leaves_the_others(scratch, start_daemon):
    for word in ("poison", "step_poison"):
        model = make_fake_decoder(scratch / word, script=f"{word}=200")
        daemon = start_daemon([model])
        good = [i % 200 for i in prompt(1)]
        with daemon.client() as client:
            reply = client.ok({"op": "score", "ids": [good, good[:3] + [200, 5], good]})
            assert [error["index"] for error in reply["errors"]] == [1]
            assert reply["errors"][0]["status"] == "ENGINE"
            check_score(good, reply["scores"][0])
            check_score(good, reply["scores"][2])


def test_out_of_memory_makes_smaller_steps(scratch, start_daemon):
    model = make_fake_decoder(scratch / "tight", script="oom_above=20")
    daemon = start_daemon([model])
    prompts = [prompt(seed, 30, 60) for seed in range(8)]
    with daemon.client() as client:
        choices, _ = generate(client, prompts, max_new_tokens=5)
    assert choices == [[fake_greedy(ids, VOCABULARY, 5)] for ids in prompts]


def test_a_lost_device_answers_everybody(scratch):
    model = make_fake_decoder(scratch / "lost", script="lost_at=4 step_us=2000")
    daemon = Daemon([model]).start()
    try:
        with daemon.client() as client:
            for i in range(10):
                client.send({"op": "generate", "ids": [[i]], "max_new_tokens": 50})
            assert [client.receive()["status"] for _ in range(10)] == ["DEVICE_LOST"] * 10
        daemon.expect_exit(75)
    finally:
        daemon.remove()


def test_a_step_that_never_ends_is_noticed(scratch):
    model = make_fake_decoder(scratch / "hanging", script="hang_at=3")
    daemon = Daemon([model], ["--engine-timeout-ms", "300"]).start()
    try:
        with daemon.client() as client:
            for i in range(3):
                client.send({"op": "generate", "ids": [[i]], "max_new_tokens": 50})
            assert [client.receive(20)["status"] for _ in range(3)] == ["DEVICE_LOST"] * 3
        daemon.expect_exit(75)
        assert "engine-timeout-ms" in daemon.log()
    finally:
        daemon.remove()


def status_of(client, **fields):
    reply = client.call({"op": "generate", "ids": [[1, 2]], **fields})
    if reply["status"] == "OK" and reply.get("errors"):
        return reply["errors"][0]["status"], reply["errors"][0]["message"]
    return reply["status"], reply.get("message", "")


@pytest.mark.parametrize(
    "fields, status, word",
    [
        ({"ids": [list(range(DECODE_LENGTH))]}, "TOO_LONG", "truncate"),
        ({"ids": [[0, DECODE_VOCABULARY]]}, "INVALID_INPUT", "vocabulary"),
        ({"ids": [[0, -1]]}, "INVALID_INPUT", "-1"),
        ({"top_p": 2.0}, "BAD_REQUEST", "top_p"),
        ({"top_p": 0.0}, "BAD_REQUEST", "top_p"),
        ({"seed": -1}, "BAD_REQUEST", "seed"),
        ({"temperature": math.nan}, "BAD_REQUEST", "temperature"),
        ({"temperature": -0.5}, "BAD_REQUEST", "temperature"),
        ({"max_length": 9}, "BAD_REQUEST", "max_length"),
        ({"top-p": 0.5}, "BAD_REQUEST", "top-p"),
        ({"n": 0}, "BAD_REQUEST", "n"),
        ({"max_new_tokens": 4, "min_new_tokens": 5}, "BAD_REQUEST", "min_new_tokens"),
        ({"repetition_penalty": 0.0}, "BAD_REQUEST", "repetition_penalty"),
        ({"stop": [""]}, "BAD_REQUEST", "stop"),
    ],
)
def test_bad_requests(client, fields, status, word):
    got, message = status_of(client, **fields)
    assert (got, word in message) == (status, True), message


def test_a_cut_prompt_says_so(client):
    ids = prompt(2, 200, 200)
    choices, reply = generate(client, [ids], truncate="left", max_new_tokens=20)
    assert choices[0][0] == fake_greedy(ids[-(DECODE_LENGTH - 20) :], VOCABULARY, 20)
    assert reply["truncated"] == [True] and reply["tokens"] == [DECODE_LENGTH - 20]


def test_what_a_model_is_not_for(scratch, start_daemon, fake_model):
    score_only = make_fake_decoder(scratch / "score-only", name="score-only", task="score")
    bare = make_fake_decoder(scratch / "bare", name="bare", tokenizer=False)
    daemon = start_daemon([score_only, bare, fake_model])
    with daemon.client() as client:
        for fields in (
            {"op": "generate", "model": "score-only", "ids": [[1]]},
            {"op": "embed", "model": "score-only", "ids": [[1]]},
            {"op": "score", "model": "fake", "ids": [[1, 2]]},
            {"op": "tokenize", "model": "bare", "texts": ["a"]},
            {"op": "detokenize", "model": "bare", "ids": [[1]]},
        ):
            reply = client.call(fields)
            assert reply["status"] == "UNSUPPORTED", reply
            assert fields["model"] in reply["message"]
        reply = client.ok({"op": "score", "model": "bare", "texts": ["abc"]})
        assert reply["errors"][0]["status"] == "UNSUPPORTED"
        reply = client.ok({"op": "generate", "model": "bare", "ids": [[1]], "max_new_tokens": 4})
        choice = reply["choices"][0][0]
        assert ids_of(choice["ids"]) == fake_greedy([1], VOCABULARY, 4) and "text" not in choice
        reply = client.ok(
            {"op": "generate", "model": "bare", "ids": [[1]], "max_new_tokens": 4, "stop": ["x"]}
        )
        assert reply["errors"][0]["status"] == "UNSUPPORTED"


def test_manifests_that_contradict_themselves(scratch):
    cases = {
        "output": {"output": {"index": 0, "shape": "tokens"}, "pooling": "mean"},
        "end_ids": {"end_ids": [DECODE_VOCABULARY]},
        "begin_id": {"begin_id": DECODE_VOCABULARY},
        "decode": {"decode": "module"},
        "inputs": {
            "inputs": [{"kind": "ids", "dtype": "int64"}, {"kind": "temperature", "dtype": "float"}]
        },
        "width": {"width": 5},
        "vocabulary_size": {"vocabulary_size": 100, "width": 100, "begin_id": 0},
    }
    for word, changes in cases.items():
        model = make_fake_decoder(scratch / f"wrong-{word}", **changes)
        code, log = run_until_exit([model])
        assert code == 65 and word in log, log
