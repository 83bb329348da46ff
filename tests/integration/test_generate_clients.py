"""score, next and generate through ferry's Python clients, against a real ferryd with the fake
engine, whose every token is known."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time

import numpy
import pytest
from tokenizers import decoders, pre_tokenizers

from daemon_process import SOURCE_DIR, Daemon
from fake_rows import fake_greedy, fake_logprobs
from model_folders import DECODE_VOCABULARY, END_ID, make_fake, make_fake_decoder

sys.path.insert(0, str(SOURCE_DIR / "clients" / "python"))

import ferry  # noqa: E402

PROMPT = "Once upon a time"


LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())  # id = place, as in the model's vocabulary


def ids_of(text):
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    return [LETTERS.index(letter) for piece, _ in pieces for letter in piece]


def continued(text, count):
    return fake_greedy(ids_of(text), DECODE_VOCABULARY, count)


def as_text(ids):
    return decoders.ByteLevel().decode([LETTERS[i] for i in ids if i < END_ID])


@pytest.fixture(scope="module")
def daemon(scratch):
    with Daemon([make_fake_decoder(scratch / "clients-decoder")]) as running:
        yield running


@pytest.fixture
def slow_daemon(scratch, start_daemon):
    """10 ms a step."""
    script = "step_us=10000"
    return start_daemon([make_fake_decoder(scratch / "clients-slow", name="slow", script=script)])


@pytest.fixture
def client(daemon):
    with ferry.Client(daemon.endpoint) as opened:
        yield opened


def decoding(daemon):
    with daemon.client() as raw:
        return raw.ok({"op": "status"})["server"]["models"][0]


def wait_until_nothing_decodes(daemon):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        model = decoding(daemon)
        if model["decode_running"] == 0 and model["decode_waiting"] == 0:
            return
        time.sleep(0.02)
    raise AssertionError(f"still decoding: {model}")


# ---- score, next ----


def test_score(client):
    texts = ["hello world", "a", "ünïcödé 漢字"]
    scores = client.score(texts, top=3)
    for text, score in zip(texts, scores):
        ids = ids_of(text)
        assert score.ids.tolist() == ids and len(score) == len(ids)
        assert score.top_ids.shape == score.top_logprobs.shape == (len(ids), 3)
        known = numpy.isfinite(score.logprobs)
        assert score.scored == known.sum()
        assert score.logprob_sum == pytest.approx(score.logprobs[known].sum(), abs=1e-4)
        if score.scored:
            wanted = numpy.exp(-score.logprob_sum / score.scored)
            assert score.perplexity == pytest.approx(wanted, rel=1e-5)
        for at in range(1, len(ids)):
            row = fake_logprobs(ids[:at], DECODE_VOCABULARY)
            assert score.logprobs[at] == pytest.approx(row[ids[at]], abs=2e-5)
            assert score.top_logprobs[at, 0] == pytest.approx(row.max(), abs=2e-5)
    one = client.score("hello world")
    assert isinstance(one, ferry.Score) and one.top_ids is None
    assert len(one.tokens) == 11 and not one.truncated
    assert client.score([]) == []


def test_next(client):
    found = client.next(["hello", "world"], top=5)
    for text, tokens in zip(["hello", "world"], found):
        row = fake_logprobs(ids_of(text), DECODE_VOCABULARY)
        assert tokens.logprobs.tolist() == pytest.approx(sorted(row, reverse=True)[:5], abs=2e-5)
        assert len(tokens) == 5 == len(tokens.tokens)
    assert len(client.next("hello")) == 10
    assert isinstance(client.next(ids=[[1, 2]])[0], ferry.NextTokens)


# ---- generate ----


def test_generate(client):
    wanted = continued(PROMPT, 12)
    one = client.generate(PROMPT, max_new_tokens=12)
    assert one.ids.tolist() == wanted and one.text == as_text(wanted)
    assert one.finish_reason == "length" and len(one.choices) == 1 and one.logprobs is None
    many = client.generate([PROMPT, "other"], max_new_tokens=12, n=2, logprobs=True, top=2)
    assert [len(item.choices) for item in many] == [2, 2]
    assert many[0].choices[1].ids.tolist() == wanted
    assert many[0].logprobs.shape == (12,) and many[0].choices[0].top_ids.shape == (12, 2)
    echo = client.generate(PROMPT, max_new_tokens=3, echo=True)
    assert echo.text.startswith(PROMPT)
    assert client.generate([]) == []


def test_a_seed_gives_the_same_again_also_with_many_prompts(client):
    prompts = [f"prompt {number}" for number in range(150)]  # more than one unsplit piece of 64
    options = {"max_new_tokens": 4, "temperature": 1.0, "deadline": 60}
    first = client.generate(prompts, seed=7, **options)
    again = client.generate(prompts, seed=7, **options)
    assert [item.ids.tolist() for item in first] == [item.ids.tolist() for item in again]
    assert {item.seed for item in first} == {7}
    other = client.generate(prompts, **options)
    assert len({item.seed for item in other}) == 3, "each piece of 64 has a seed of its own"
    assert [item.ids.tolist() for item in other] != [item.ids.tolist() for item in first]


def test_full_results_and_errors_by_text(client):
    result = client.generate(["ok", "x" * 500], max_new_tokens=2, full=True)
    assert isinstance(result, ferry.LanguageResult) and len(result) == 2
    assert isinstance(result.errors[1], ferry.TooLong)
    assert result[0].finish_reason == "length" and result[1].finish_reason is None
    assert result.tokens.tolist() == [2, 0]
    with pytest.raises(ferry.TooLong):
        client.score("x" * 500)


def test_wrong_arguments(client):
    with pytest.raises(TypeError, match="no option 'max_length'"):
        client.generate("a", max_length=5)
    with pytest.raises(TypeError, match="temperature must be a number"):
        client.generate("a", temperature="hot")
    with pytest.raises(TypeError, match="is a pair"):
        client.score([("a", "b")])
    with pytest.raises(TypeError, match="stop must be a list of str"):
        client.generate("a", stop=[1])
    with pytest.raises(ValueError, match="64 bits"):
        client.generate("a", seed=2**64)
    with pytest.raises(ValueError, match="truncate"):
        client.generate("a", truncate="middle")
    with pytest.raises(ferry.BadRequest, match="seed: -1 is outside 0 to 18446744073709551615"):
        client.generate("a", seed=-1)
    with pytest.raises(ferry.BadRequest, match="temperature: nan is outside 0 to 1000"):
        client.generate("a", temperature=float("nan"))
    with pytest.raises(ferry.BadRequest, match=r"top_p: 2 is outside 0 \(excluded\) to 1"):
        client.generate("a", top_p=2)


def test_numpy_numbers_are_numbers(client):
    one = client.generate("a", max_new_tokens=numpy.int32(3), temperature=numpy.float32(0))
    assert len(one.ids) == 3


def test_an_embedding_model_says_what_it_cannot_do(scratch, start_daemon):
    daemon = start_daemon([make_fake(scratch / "clients-embed")])
    with ferry.Client(daemon.endpoint) as client:
        with pytest.raises(ferry.Unsupported):
            client.generate("a")
        with pytest.raises(ferry.Unsupported):
            for _ in client.generate_stream("a"):
                pass


# ---- streams ----


def test_a_stream_has_everything_of_the_result(client):
    stream = client.generate_stream(PROMPT, max_new_tokens=40, logprobs=True)
    parts = list(stream)
    assert all(isinstance(part, ferry.Part) for part in parts)
    assert [part.finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)
    assert parts[-1].finish_reason == "length"
    ids = [i for part in parts for i in part.ids.tolist()]
    assert ids == continued(PROMPT, 40) == stream.result.ids.tolist()
    assert "".join(part.text for part in parts) == stream.result.text
    logprobs = numpy.concatenate([part.logprobs for part in parts])
    assert (logprobs == stream.result.logprobs).all()
    assert next(stream, None) is None


def test_choices_of_several_prompts_come_mixed_and_whole(client):
    prompts = [f"prompt number {number}" for number in range(70)]  # two pieces
    stream = client.generate(prompts, max_new_tokens=6, n=2, stream=True, deadline=60)
    came = {}
    for part in stream:
        came.setdefault((part.index, part.choice), []).extend(part.ids.tolist())
    assert set(came) == {(index, choice) for index in range(70) for choice in range(2)}
    for (index, _), ids in came.items():
        assert ids == continued(prompts[index], 6)
    assert len(stream.result) == 70


def test_stopping_early_frees_the_sequence(slow_daemon):
    with ferry.Client(slow_daemon.endpoint) as client:
        for part in client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True):
            break
        gc.collect()
        wait_until_nothing_decodes(slow_daemon)
        with client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True) as stream:
            next(stream)
        assert next(stream, None) is None
        wait_until_nothing_decodes(slow_daemon)
        assert decoding(slow_daemon)["decode_new_tokens"] < 100
        assert client.ping() < 5


def test_a_stream_dropped_by_the_garbage_collector(slow_daemon):
    """In a cycle, so that only the collector finds it: at whatever place of whatever thread."""
    with ferry.Client(slow_daemon.endpoint) as client:
        for _ in range(5):
            stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True)
            stream.myself = stream
            next(stream)
            del stream
        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            wait_until_nothing_decodes(slow_daemon)
            for _ in range(20):
                client.generate("a", max_new_tokens=1)
        finally:
            gc.set_threshold(*threshold)


def test_several_threads_take_from_one_stream(client):
    stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True)
    taken = []

    def take():
        taken.extend(i for part in stream for i in part.ids.tolist())

    threads = [threading.Thread(target=take, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(taken) == sorted(continued(PROMPT, 100))


def test_a_stream_does_not_go_on_in_a_child_after_fork(client):
    """The parts come to the parent: the child must not wait for them."""
    stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True)
    next(stream)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            list(stream)
        except ferry.Unavailable as error:
            os._exit(0 if "fork" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    list(stream)
    assert stream.result.ids.tolist() == continued(PROMPT, 100)


def test_a_stream_whose_daemon_dies_ends_with_unavailable(scratch):
    model = make_fake_decoder(scratch / "clients-dying", name="slow", script="step_us=20000")
    running = Daemon([model]).start()
    try:
        with ferry.Client(running.endpoint, patience=1) as client:
            stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True)
            next(stream)
            running.kill()
            with pytest.raises(ferry.Unavailable, match="in the middle of a stream"):
                list(stream)
    finally:
        running.remove()


def test_a_closed_client_ends_its_streams(slow_daemon):
    client = ferry.Client(slow_daemon.endpoint)
    stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True)
    next(stream)
    threading.Timer(0.1, client.close).start()
    with pytest.raises(ferry.Cancelled):
        for _ in stream:
            pass


def test_a_deadline_ends_a_stream(slow_daemon):
    with ferry.Client(slow_daemon.endpoint) as client:
        stream = client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True, deadline=0.4)
        with pytest.raises((ferry.Timeout, ferry.DeadlineExceeded)):
            for _ in stream:
                pass
        wait_until_nothing_decodes(slow_daemon)


def test_end_and_stop(client):
    wanted = continued(PROMPT, 40)
    one = client.generate(PROMPT, max_new_tokens=40, stop_ids=[wanted[5]])
    assert one.ids.tolist() == wanted[: wanted.index(wanted[5])]
    assert one.finish_reason == "stop"
    letter = next(letter for letter in as_text(wanted) if letter.isascii())
    one = client.generate(PROMPT, max_new_tokens=40, stop=[letter, "never comes"])
    assert one.finish_reason == "stop" and one.text == as_text(wanted).split(letter)[0]


# ---- asyncio ----


def test_asyncio(daemon):
    async def run():
        async with ferry.AsyncClient(daemon.endpoint) as client:
            score = await client.score("hello")
            tokens = await client.next("hello", top=2)
            one = await client.generate(PROMPT, max_new_tokens=8)
            stream = await client.generate(PROMPT, max_new_tokens=8, stream=True)
            parts = [part async for part in stream]
            return score, tokens, one, parts, stream.result

    score, tokens, one, parts, result = asyncio.run(run())
    assert len(score) == 5 and len(tokens) == 2
    assert one.ids.tolist() == continued(PROMPT, 8) == result.ids.tolist()
    assert [i for part in parts for i in part.ids.tolist()] == result.ids.tolist()


def test_many_streams_at_once_in_one_loop(daemon):
    async def read(client, number):
        prompt = f"stream {number}"
        ids = []
        async for part in client.generate_stream(prompt, max_new_tokens=15):
            ids += part.ids.tolist()
        assert ids == continued(prompt, 15)

    async def run():
        async with ferry.AsyncClient(daemon.endpoint) as client:
            await asyncio.gather(*(read(client, number) for number in range(64)))

    asyncio.run(run())


def test_a_cancelled_task_cancels_its_stream(slow_daemon):
    async def read(client):
        async for _ in client.generate_stream(PROMPT, max_new_tokens=100, ignore_end=True):
            pass

    async def run():
        async with ferry.AsyncClient(slow_daemon.endpoint) as client:
            task = asyncio.create_task(read(client))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(wait_until_nothing_decodes, slow_daemon)
            async with client.generate_stream(PROMPT, max_new_tokens=100) as stream:
                await stream.__anext__()
            await asyncio.to_thread(wait_until_nothing_decodes, slow_daemon)

    asyncio.run(run())
