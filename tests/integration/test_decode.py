"""score, next and generate through a real ferryd with the fake engine: every token is known."""

import math

import numpy
import pytest

from daemon_process import Daemon
from decoding import TOLERANCE, VOCABULARY, check_score, generate, joined, prompt
from fake_rows import fake_greedy, fake_logprobs
from model_folders import DECODE_LENGTH, END_ID, make_fake_decoder
from raw_protocol import floats_of, ids_of


@pytest.fixture(scope="module")
def daemon(decoder):
    with Daemon([decoder]) as running:
        yield running


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
