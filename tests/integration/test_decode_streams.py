"""Streams, and what ends a generation before its time: nothing is lost, doubled or left behind."""

import json
import random
import subprocess
import threading
import time

import pytest

from daemon_process import Daemon, private_environment, program
from decoding import VOCABULARY, generate, joined, prompt
from fake_rows import fake_greedy
from model_folders import make_fake_decoder
from raw_protocol import decode, ids_of


@pytest.fixture(scope="module")
def daemon(decoder):
    with Daemon([decoder]) as running:
        yield running


def test_a_stream_tells_the_same_as_its_reply(client):
    prompts = [prompt(seed) for seed in range(3)]
    wanted = client.send(
        {"op": "generate", "ids": prompts, "max_new_tokens": 25, "n": 2, "stream": True}
        | {"temperature": 1.0, "seed": 3, "logprobs": True, "top": 2, "echo": True}
    )
    parts, reply = client.receive_stream(wanted)
    assert reply["status"] == "OK"
    for index in range(3):
        for number in range(2):
            choice = reply["choices"][index][number]
            ids, mine = joined(parts, index, number)
            assert ids == ids_of(choice["ids"])
            for key in ("logprobs", "top_ids", "top_logprobs"):
                assert b"".join(part[key] for part in mine) == choice[key]
            assert [part.get("finish_reason") for part in mine[:-1]] == [None] * (len(mine) - 1)
            assert mine[-1]["finish_reason"] == choice["finish_reason"]
            assert "".join(part["text"] for part in mine) == choice["text"]


def test_a_stream_comes_token_by_token(slow, start_daemon):
    daemon = start_daemon([slow])
    with daemon.client() as client:
        begin = time.monotonic()
        client.send({"op": "generate", "ids": [[1, 2]], "max_new_tokens": 60, "stream": True})
        body = client.receive_body_or_none(30)
        first = time.monotonic() - begin
        parts, reply = [], None
        while reply is None:
            message = decode(body)
            if "status" in message:
                reply = message
            else:
                parts.append(message)
                body = client.receive_body_or_none(30)
        whole = time.monotonic() - begin
    assert len(parts) > 30, "most tokens come in a part of their own"
    assert first < whole / 3


def test_cancel_frees_a_sequence_at_once(slow, start_daemon):
    daemon = start_daemon([slow])
    with daemon.client() as client:
        victims = [
            client.send({"op": "generate", "ids": [[i]], "max_new_tokens": 120}) for i in range(8)
        ]
        time.sleep(0.05)
        begin = time.monotonic()
        for victim in victims:
            client.send({"op": "cancel", "target": victim})
        answers = [client.receive() for _ in range(16)]
        assert time.monotonic() - begin < 0.3, "8 times 110 steps of 3 ms would take longer"
        assert sorted(reply["status"] for reply in answers) == ["CANCELLED"] * 8 + ["OK"] * 8
        status = client.ok({"op": "status"})["server"]
    assert status["models"][0]["decode_running"] == 0
    assert status["models"][0]["decode_blocks_used"] == 0


def test_a_deadline_ends_a_generation(slow, start_daemon):
    daemon = start_daemon([slow])
    with daemon.client() as client:
        begin = time.monotonic()
        reply = client.call(
            {"op": "generate", "ids": [[1]], "max_new_tokens": 120, "deadline_ms": 60}
        )
        assert reply["status"] == "DEADLINE"
        assert time.monotonic() - begin < 0.3


def test_a_client_that_is_gone_takes_its_stream_along(slow, start_daemon):
    daemon = start_daemon([slow])
    for _ in range(5):
        with daemon.client() as client:
            for i in range(4):
                client.send({"op": "generate", "ids": [[i]], "max_new_tokens": 120, "stream": True})
            assert client.receive_body_or_none(10) is not None
    with daemon.client() as client:
        end = time.monotonic() + 5
        while True:
            model = client.ok({"op": "status"})["server"]["models"][0]
            if model["decode_running"] + model["decode_waiting"] == 0:
                break
            assert time.monotonic() < end, model
            time.sleep(0.02)
        assert generate(client, [[5]], max_new_tokens=3)[0][0][0] == fake_greedy([5], VOCABULARY, 3)


def run_streams(daemon, number, failures):
    generator = random.Random(number)
    try:
        with daemon.client() as client:
            for _ in range(3):
                ids = prompt(generator.randrange(1000), 1, 30)
                count = generator.randint(5, 40)
                wanted = client.send(
                    {"op": "generate", "ids": [ids], "max_new_tokens": count, "stream": True}
                )
                habit = generator.choice(["read", "read", "slow", "cancel", "leave"])
                if habit == "leave":
                    client.receive_body_or_none(30)
                    return
                if habit == "cancel":
                    client.send({"op": "cancel", "target": wanted, "id": wanted + 1000000})
                if habit == "slow":
                    time.sleep(0.3)
                parts, reply = receive_mixed(client, wanted)
                if reply["status"] == "CANCELLED":
                    continue
                assert joined(parts)[0] == fake_greedy(ids, VOCABULARY, count)
    except BaseException as failure:  # noqa: BLE001: a thread's failure is the test's
        failures.append((number, repr(failure)))


def receive_mixed(client, wanted):
    parts = []
    while True:
        body = client.receive_body_or_none(60)
        assert body is not None, f"no reply after {len(parts)} parts"
        message = decode(body)
        if message["id"] != wanted:
            continue
        if "status" in message:
            return parts, message
        assert message["part"] == len(parts)
        parts.append(message)


def test_64_clients_stream_at_once(scratch, start_daemon):
    model = make_fake_decoder(scratch / "many", script="step_us=500 block_tokens=8 blocks=120")
    daemon = start_daemon([model])
    failures = []
    threads = [threading.Thread(target=run_streams, args=(daemon, i, failures)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures, failures[:3]
    with daemon.client() as client:
        end = time.monotonic() + 10
        while True:
            server = client.ok({"op": "status"})["server"]
            model = server["models"][0]
            if (
                model["decode_running"] + model["decode_waiting"] == 0
                and server["queued"]["items"] == 0
            ):
                break
            assert time.monotonic() < end, server
            time.sleep(0.05)
        assert model["decode_blocks_used"] == 0


def test_64_processes_stream_and_half_of_them_are_killed(scratch, start_daemon):
    """The killed ones leave nothing behind; what the others print is complete and in order."""
    model = make_fake_decoder(scratch / "killed", script="step_us=2000 block_tokens=8 blocks=150")
    daemon = start_daemon([model])
    generator = random.Random(64)
    environment = private_environment(daemon.folder)
    command = [program("ferry"), "generate", "-c", daemon.endpoint, "--ids", "--stream", "--json"]
    with daemon.client() as client:
        before = daemon.resident_bytes()
        for _ in range(2):
            prompts = [prompt(generator.randrange(1000), 1, 30) for _ in range(64)]
            processes = [
                subprocess.Popen(
                    [*command, "--max-new-tokens", "60", "--", " ".join(map(str, ids))],
                    stdout=subprocess.PIPE,
                    env=environment,
                    text=True,
                )
                for ids in prompts
            ]
            victims = generator.sample(range(64), 32)
            for victim in victims:
                time.sleep(generator.random() * 0.05)
                processes[victim].kill()
            for number, (ids, process) in enumerate(zip(prompts, processes)):
                out, _ = process.communicate(timeout=120)
                if number in victims:
                    continue
                assert process.returncode == 0
                pieces = [json.loads(line) for line in out.splitlines()]
                tokens = [token for piece in pieces for token in piece["ids"]]
                assert tokens == fake_greedy(ids, VOCABULARY, 60)
                assert pieces[-1]["finish_reason"] == "length"
        end = time.monotonic() + 20
        while True:
            server = client.ok({"op": "status"})["server"]
            model = server["models"][0]
            open_ = model["decode_running"] + model["decode_waiting"] + server["queued"]["items"]
            if open_ == 0:
                break
            assert time.monotonic() < end, server
            time.sleep(0.05)
        assert model["decode_blocks_used"] == 0
        assert daemon.resident_bytes() - before < 64 << 20


def test_stopping_in_the_middle_of_streams(slow, start_daemon):
    daemon = start_daemon([slow], ["--drain-ms", "50"])
    with daemon.client() as client:
        for i in range(12):
            client.send({"op": "generate", "ids": [[i]], "max_new_tokens": 120, "stream": True})
        assert client.receive_body_or_none(10) is not None
        daemon.terminate()
        finals = 0
        while finals < 12:
            body = client.receive_body_or_none(20)
            assert body is not None
            message = decode(body)
            finals += "status" in message
            assert message.get("status", "OK") in ("OK", "SHUTTING_DOWN")
    daemon.expect_exit(0)
