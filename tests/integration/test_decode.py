"""score, next and generate through a real ferryd with the fake engine: every token is known."""

import json
import math
import random
import subprocess
import threading
import time

import numpy
import pytest

from daemon_process import Daemon, private_environment, program, run_until_exit
from fake_rows import fake_greedy, fake_logprobs
from model_folders import DECODE_LENGTH, DECODE_VOCABULARY, END_ID, make_fake_decoder
from raw_protocol import decode, floats_of, ids_of

VOCABULARY = DECODE_VOCABULARY
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def decoder(scratch):
    return make_fake_decoder(scratch / "decoder")


@pytest.fixture(scope="module")
def daemon(decoder):
    with Daemon([decoder]) as running:
        yield running


@pytest.fixture(scope="module")
def slow(scratch):
    """3 ms a step, a small cache: room for 20 blocks of 8 positions, 8 sequences."""
    script = "step_us=3000 block_tokens=8 blocks=20 max_sequences=8"
    return make_fake_decoder(scratch / "slow-decoder", name="slow", script=script)


def prompt(seed, low=1, high=60):
    generator = random.Random(seed)
    return [generator.randrange(256) for _ in range(generator.randint(low, high))]


def generate(client, prompts, **options):
    reply = client.ok({"op": "generate", "ids": prompts, **options})
    return [[ids_of(choice["ids"]) for choice in item] for item in reply["choices"]], reply


# ---- what is computed ----


def test_greedy_continues_every_prompt_as_if_it_were_alone(client):
    prompts = [prompt(seed) for seed in range(40)]
    choices, reply = generate(client, prompts, max_new_tokens=20)
    for ids, item in zip(prompts, choices):
        assert item == [fake_greedy(ids, VOCABULARY, 20)]
    assert reply["tokens"] == [len(ids) for ids in prompts]
    assert reply["truncated"] == [False] * 40
    assert all(item[0]["finish_reason"] == "length" for item in reply["choices"])
    assert reply["model"]["engine"] == "fake"


def test_a_full_cache_changes_nothing(slow, start_daemon):
    """Together they want three times the cache: some are sent back and computed again."""
    daemon = start_daemon([slow])
    prompts = [prompt(seed, 10, 40) for seed in range(24)]
    with daemon.client() as client:
        choices, _ = generate(client, prompts, max_new_tokens=30)
        server = client.ok({"op": "status"})["server"]
    for ids, item in zip(prompts, choices):
        assert item == [fake_greedy(ids, VOCABULARY, 30)]
    assert server["models"][0]["decode_preempted"] > 0


@pytest.mark.parametrize("script", ["block_tokens=0", "max_step_tokens=70 max_sequences=2"])
def test_other_ways_of_running_give_the_same(scratch, start_daemon, script):
    model = make_fake_decoder(scratch / script.replace("=", "-").replace(" ", "_"), script=script)
    daemon = start_daemon([model], ["--step-tokens", "48"])
    prompts = [prompt(seed) for seed in range(12)]
    with daemon.client() as client:
        choices, _ = generate(client, prompts, max_new_tokens=12)
        scored = client.ok({"op": "score", "ids": prompts})["scores"]
    for ids, item, score in zip(prompts, choices, scored):
        assert item == [fake_greedy(ids, VOCABULARY, 12)]
        check_score(ids, score)


def check_score(ids, score, context=None):
    """context(position): where what stands before a position begins."""
    values = floats_of(score["logprobs"])
    assert ids_of(score["ids"]) == ids and len(values) == len(ids)
    assert math.isnan(values[0])
    for position in range(1, len(ids)):
        begin = context(position) if context else 0
        expected = fake_logprobs(ids[begin:position], VOCABULARY)[ids[position]]
        assert abs(values[position] - expected) <= TOLERANCE
    assert score["scored"] == len(ids) - 1
    total = float(numpy.nansum(values.astype(numpy.float64)))
    assert score["logprob_sum"] == pytest.approx(total, abs=1e-9)
    if len(ids) > 1:
        assert score["perplexity"] == pytest.approx(math.exp(-total / (len(ids) - 1)), rel=1e-9)
    else:
        assert math.isnan(score["perplexity"])


def test_score_and_its_alternatives(client):
    texts = [prompt(seed) for seed in range(20)] + [[7]]
    reply = client.ok({"op": "score", "ids": texts, "top": 3})
    for ids, score in zip(texts, reply["scores"]):
        check_score(ids, score)
        top_ids = numpy.array(ids_of(score["top_ids"])).reshape(len(ids), 3)
        top = floats_of(score["top_logprobs"]).reshape(len(ids), 3)
        assert numpy.isnan(top[0]).all()
        for position in range(1, len(ids)):
            expected = fake_logprobs(ids[:position], VOCABULARY)
            best = numpy.argsort(-expected, kind="stable")[:3]
            assert top_ids[position].tolist() == best.tolist()
            assert numpy.abs(top[position] - expected[best]).max() <= TOLERANCE


@pytest.mark.parametrize("stride", [0, 1, 10, 31])
def test_a_long_text_is_scored_in_windows(client, stride):
    ids = prompt(1, 500, 500)
    window, shared = 32, max(stride, 1)
    reply = client.ok(
        {"op": "score", "ids": [ids], "windows": True, "stride": stride, "max_tokens": window}
    )

    def context(position):
        if position < window:
            return 0
        step = window - shared
        return ((position - window) // step + 1) * step

    check_score(ids, reply["scores"][0], context)
    assert reply["truncated"] == [False]


def test_next_gives_the_most_probable_tokens(client):
    ids = prompt(3)
    reply = client.ok({"op": "next", "ids": [ids, ids[:1]], "top": 100})
    for begin, entry in zip((ids, ids[:1]), reply["nexts"]):
        expected = fake_logprobs(begin, VOCABULARY)
        best = numpy.argsort(-expected, kind="stable")[:100]
        assert ids_of(entry["ids"]) == best.tolist()
        assert numpy.abs(floats_of(entry["logprobs"]) - expected[best]).max() <= TOLERANCE


def test_logprobs_and_echo_of_generate(client):
    ids = prompt(5, 20, 20)
    reply = client.ok(
        {"op": "generate", "ids": [ids], "max_new_tokens": 8, "logprobs": True, "top": 2}
        | {"echo": True}
    )
    choice = reply["choices"][0][0]
    whole = ids + fake_greedy(ids, VOCABULARY, 8)
    assert ids_of(choice["ids"]) == whole
    values = floats_of(choice["logprobs"])
    top_ids = numpy.array(ids_of(choice["top_ids"])).reshape(len(whole), 2)
    assert math.isnan(values[0])
    for position in range(1, len(whole)):
        expected = fake_logprobs(whole[:position], VOCABULARY)
        assert abs(values[position] - expected[whole[position]]) <= TOLERANCE
        assert top_ids[position, 0] == expected.argmax()


def test_seeds(client):
    ids = prompt(6)
    options = {"temperature": 1.0, "max_new_tokens": 16, "n": 4}
    first, reply = generate(client, [ids, ids], seed=11, **options)
    again, _ = generate(client, [ids, ids], seed=11, **options)
    other, _ = generate(client, [ids, ids], seed=12, **options)
    assert reply["seed"] == 11
    assert first == again and first != other
    flat = [tuple(choice) for item in first for choice in item]
    assert len(set(flat)) == 8, "each choice draws its own numbers"
    # Alone or in company, the first choice of the first item is the same.
    alone, _ = generate(client, [ids], seed=11, temperature=1.0, max_new_tokens=16)
    assert alone[0][0] == first[0][0]
    _, drawn = generate(client, [ids], **options)
    repeated, _ = generate(client, [ids], seed=drawn["seed"], **options)
    assert repeated[0] == [ids_of(choice["ids"]) for choice in drawn["choices"][0]]


def test_a_seeded_request_is_the_same_in_any_company(daemon, client):
    ids = prompt(7)
    options = {"seed": 5, "temperature": 0.8, "top_p": 0.9, "max_new_tokens": 40}
    alone, _ = generate(client, [ids], **options)
    with daemon.client() as other:
        for seed in range(12):
            other.send({"op": "generate", "ids": [prompt(seed)], "max_new_tokens": 60})
        company, _ = generate(client, [ids], **options)
    assert company == alone


def test_how_a_choice_ends(scratch, start_daemon):
    script = f"end_id={END_ID} end_at=30"
    model = make_fake_decoder(scratch / "ending", script=script, end_ids=[END_ID])
    daemon = start_daemon([model])
    ids = prompt(8, 10, 10)
    expected = fake_greedy(ids, VOCABULARY, 20, end_id=END_ID, end_at=30)
    with daemon.client() as client:
        choices, reply = generate(client, [ids], max_new_tokens=50)
        assert choices[0][0] == expected and reply["choices"][0][0]["finish_reason"] == "end"
        choices, reply = generate(client, [ids], max_new_tokens=5)
        assert choices[0][0] == expected[:5]
        assert reply["choices"][0][0]["finish_reason"] == "length"
        choices, reply = generate(client, [ids], max_new_tokens=50, stop_ids=[expected[3]])
        end = expected.index(expected[3])
        assert choices[0][0] == expected[:end]
        assert reply["choices"][0][0]["finish_reason"] == "stop"
        choices, reply = generate(client, [ids], max_new_tokens=24, min_new_tokens=24)
        assert len(choices[0][0]) == 24 and END_ID not in choices[0][0]
        choices, reply = generate(client, [ids], max_new_tokens=24, ignore_end=True)
        assert choices[0][0][:20] == expected and choices[0][0][20:] == [END_ID] * 4
        # The model's own limit ends it too.
        long, reply = generate(client, [prompt(9, 120, 120)], max_new_tokens=50, ignore_end=True)
        assert len(long[0][0]) == DECODE_LENGTH - 120
        assert reply["choices"][0][0]["finish_reason"] == "length"


def test_an_empty_prompt_begins_with_the_begin_id(client):
    choices, reply = generate(client, [[]], max_new_tokens=6)
    assert choices[0][0] == fake_greedy([END_ID], VOCABULARY, 6)
    assert reply["tokens"] == [1]


# ---- streams ----


def joined(parts, index=0, choice=0):
    mine = [part for part in parts if (part["index"], part["choice"]) == (index, choice)]
    return [token for part in mine for token in ids_of(part["ids"])], mine


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


# ---- what goes wrong ----


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


# ---- text ----


def test_text_goes_in_and_comes_out(client):
    texts = ["The ferry leaves at seven.", "Fähre 渡し船", "a"]
    reply = client.ok({"op": "generate", "texts": texts, "max_new_tokens": 12})
    tokens = client.ok({"op": "tokenize", "texts": texts})["items"]
    for item, choices in zip(tokens, reply["choices"]):
        ids = ids_of(item["ids"])
        assert ids_of(choices[0]["ids"]) == fake_greedy(ids, VOCABULARY, 12)
        text = client.ok({"op": "detokenize", "ids": [ids_of(choices[0]["ids"])]})["texts"][0]
        assert choices[0]["text"] == text
    scored = client.ok({"op": "score", "texts": texts})["scores"]
    assert scored[2]["tokens"] == ["a"]


def test_stop_strings(client):
    text = "Once"
    reply = client.ok({"op": "generate", "texts": [text], "max_new_tokens": 60})
    whole = reply["choices"][0][0]
    characters = whole["text"]
    for begin, end in ((5, 6), (8, 11), (20, 24)):
        stop = characters[begin:end]
        at = characters.index(stop)
        for stream in (False, True):
            fields = {"op": "generate", "texts": [text], "max_new_tokens": 60, "stop": [stop]}
            wanted = client.send({**fields, "stream": stream})
            parts, reply = client.receive_stream(wanted)
            choice = reply["choices"][0][0]
            assert choice["text"] == characters[:at] and choice["finish_reason"] == "stop"
            ids = ids_of(choice["ids"])
            assert ids == ids_of(whole["ids"])[: len(ids)]
            if stream:
                assert "".join(part["text"] for part in parts) == choice["text"]
                assert joined(parts)[0] == ids
