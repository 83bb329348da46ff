"""The Python package against a real ferryd: what comes out, from threads, asyncio and children."""

import asyncio
import gc
import os
import sys
import threading
import time

import numpy
import pytest

from daemon_process import SOURCE_DIR
from model_folders import MAX_LENGTH, WIDTH, make_fake
from raw_protocol import RawClient

sys.path.insert(0, str(SOURCE_DIR / "clients" / "python"))

import ferry  # noqa: E402

IDS = [101, 7592, 2088, 102]  # hello world


@pytest.fixture
def python_client(daemon):
    with ferry.Client(daemon.endpoint) as client:
        yield client


def test_vectors_are_the_daemons_own(daemon, python_client):
    texts = ["hello world", ("first", "second"), "", "ünïcödé 漢字 🙂"]
    vectors = python_client.embed(texts)
    with RawClient(daemon.endpoint) as raw:
        expected, _ = raw.embed([list(t) if isinstance(t, tuple) else t for t in texts])
    assert vectors.dtype == numpy.float32 and vectors.shape == (4, WIDTH)
    assert (vectors == expected).all()
    vectors[0, 0] = 1.0  # the caller's own, not a view into a message


def test_a_single_text_gives_a_single_vector(python_client):
    one = python_client.embed("hello world")
    assert one.shape == (WIDTH,)
    assert (one == python_client.embed(["hello world"])[0]).all()
    assert python_client.embed([]).shape == (0, 0)
    assert python_client.tokenize([]) == [] and python_client.detokenize([]) == []


def test_ids_instead_of_texts(python_client):
    expected = python_client.embed(["hello world"])
    for row in (IDS, tuple(IDS), numpy.array(IDS), numpy.array(IDS, numpy.uint16)):
        assert (python_client.embed(ids=[row]) == expected).all()
    other = python_client.embed(ids=[IDS], type_ids=[[0, 0, 1, 1]])
    assert not (other == expected).all()


def test_dtypes(python_client):
    texts = ["one", "two", "three"]
    exact = python_client.embed(texts)
    half = python_client.embed(texts, dtype="f16")
    assert half.dtype == numpy.float16 and (half == exact.astype(numpy.float16)).all()
    whole = python_client.embed(texts, dtype="int8")
    rows, scales = python_client.embed(texts, dtype="int8", raw=True)
    assert rows.dtype == numpy.int8 and rows.shape == (3, WIDTH) and scales.shape == (3,)
    assert (rows.astype(numpy.float32) * scales[:, None] == whole).all()
    assert numpy.abs(whole - exact).max() <= scales.max() * 0.5001
    bits = python_client.embed(texts, dtype="binary")
    packed = python_client.embed(texts, dtype="binary", raw=True)
    assert packed.dtype == numpy.uint8 and packed.shape == (3, WIDTH // 8)
    assert (bits == (exact > 0)).all()


def test_the_full_result_tells_the_truth(python_client):
    result = python_client.embed(["hello world", "word " * 1000, "\ud800", "x"], full=True)
    assert result.tokens.tolist() == [4, MAX_LENGTH, 0, 3]
    assert result.truncated.tolist() == [False, True, False, False]
    assert result.model.name == "fake" and len(result.model.digest) == 64
    assert result.times.total > 0 and result.padded_tokens >= 0
    assert list(result.errors) == [2] and isinstance(result.errors[2], ferry.InvalidInput)
    assert not result.vectors[2].any() and result.vectors[3].any()


def test_without_full_a_failed_text_raises(python_client):
    with pytest.raises(ferry.InvalidInput) as caught:
        python_client.embed(["fine", "\ud800"])
    assert caught.value.index == 1 and isinstance(caught.value, ValueError)
    with pytest.raises(ferry.TooLong):
        python_client.embed("a b c d e f", max_tokens=4, truncate="error")
    with pytest.raises(ferry.NotFound, match="nothing"):
        python_client.embed("x", model="nothing")


@pytest.mark.parametrize(
    "arguments, kind",
    [
        ({}, TypeError),
        ({"texts": ["a"], "ids": [[1]]}, TypeError),
        ({"texts": [b"bytes"]}, TypeError),
        ({"texts": [("a", "b", "c")]}, TypeError),
        ({"texts": ["a"], "type_ids": [[0]]}, TypeError),
        ({"ids": [["a"]]}, TypeError),
        ({"ids": [[1.5]]}, TypeError),
        ({"ids": [[2**40]]}, ValueError),
        ({"ids": [[1]], "type_ids": [[0], [0]]}, ValueError),
        ({"texts": ["a"], "dtype": "f64"}, ValueError),
        ({"texts": ["a"], "truncate": "middle"}, ValueError),
        ({"texts": ["a"], "deadline": 0}, ValueError),
        ({"texts": ["a"], "deadline": -1}, ValueError),
    ],
)
def test_wrong_arguments_raise_before_anything_is_sent(arguments, kind):
    with ferry.Client("ipc:///tmp/nobody-listens-here.sock") as client:
        with pytest.raises(kind):
            client.embed(**arguments)


def test_wrong_endpoints():
    for endpoint in ("localhost", "udp://x", "ipc://" + "x" * 108):
        with pytest.raises(ValueError):
            ferry.Client(endpoint)


def test_default_endpoint_is_the_environments(monkeypatch):
    monkeypatch.setenv("FERRY_ENDPOINT", "tcp://127.0.0.1:9")
    assert ferry.Client().endpoint == ferry.default_endpoint() == "tcp://127.0.0.1:9"


def test_tokenize(python_client):
    tokens = python_client.tokenize("hello wörld", offsets=True)
    assert tokens.ids.tolist() == IDS and tokens.tokens == ["[CLS]", "hello", "world", "[SEP]"]
    assert tokens.offsets.tolist() == [[0, 0], [0, 5], [6, 11], [0, 0]]
    assert tokens.special.tolist() == [True, False, False, True] and len(tokens) == 4
    windows = python_client.tokenize("a b c d e f g", windows=True, max_tokens=5, stride=1)
    assert windows.truncated and [len(w) for w in windows.windows] == [5, 5]
    plain = python_client.tokenize(["[SEP]"], add_special_tokens=False, special_tokens="text")
    assert 102 not in plain[0].ids
    pair = python_client.tokenize([("a", "b")])[0]
    assert pair.type_ids.tolist() == [0, 0, 0, 1, 1]


def test_detokenize_status_ping(daemon, python_client):
    assert python_client.detokenize([IDS, [7592]]) == ["hello world", "hello"]
    assert python_client.detokenize([IDS], skip_special_tokens=False) == ["[CLS] hello world [SEP]"]
    with pytest.raises(ferry.InvalidInput):
        python_client.detokenize([IDS, [10**6]])
    status = python_client.status()
    assert status["state"] == "ready" and status["pid"] == daemon.process.pid
    assert status["models"][0]["name"] == "fake"
    assert 0 < python_client.ping() < 5


def test_large_inputs_are_split_and_stay_in_order(python_client):
    texts = [f"text {number}" for number in range(5000)] + ["long " * 60000]
    result = python_client.embed(texts, full=True)
    assert not result.errors and len(result.vectors) == 5001
    picks = [0, 63, 64, 1234, 4999, 5000]
    assert (result.vectors[picks] == python_client.embed([texts[at] for at in picks])).all()


def test_a_text_over_the_daemons_limit_fails_alone(start_daemon, fake_model):
    running = start_daemon([fake_model], ["--max-request-bytes", "1M"])
    with ferry.Client(running.endpoint) as client:
        result = client.embed(["fine", "x" * 2_000_000, "too"], full=True)
        assert list(result.errors) == [1] and isinstance(result.errors[1], ferry.TooLarge)
        assert result.vectors[0].any() and result.vectors[2].any()


def test_embed_iter_is_lazy_bounded_and_in_order(python_client):
    taken = 0

    def source():
        nonlocal taken
        for number in range(10000):
            taken += 1
            yield f"text {number}"

    rows = python_client.embed_iter(source(), batch=10, in_flight=4)
    first = next(rows)
    assert taken <= 50
    assert (first == python_client.embed("text 0")).all()
    rest = list(rows)
    assert len(rest) == 9999 and (rest[-1] == python_client.embed("text 9999")).all()


def test_an_abandoned_generator_leaves_nothing_pending(python_client):
    rows = python_client.embed_iter((f"text {n}" for n in range(1000)), batch=10, in_flight=8)
    next(rows)
    rows.close()
    end = time.monotonic() + 10
    while python_client._connection._pending_bytes and time.monotonic() < end:
        time.sleep(0.01)
    assert python_client._connection._pending_bytes == 0


def test_many_threads_share_a_client(python_client):
    expected = {n: python_client.embed(f"text {n}") for n in range(32)}
    failures = []

    def work(offset):
        try:
            for step in range(60):
                number = (offset * 7 + step) % 32
                if not (python_client.embed(f"text {number}") == expected[number]).all():
                    failures.append(f"text {number} got another one's vector")
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


def test_asyncio_with_a_thousand_in_flight(daemon):
    async def main():
        async with ferry.AsyncClient(daemon.endpoint) as client:
            rows = await asyncio.gather(*[client.embed(f"text {n}") for n in range(1000)])
            again = await client.embed([f"text {n}" for n in range(1000)])
            assert (numpy.stack(rows) == again).all()
            assert (await client.tokenize("hello world")).ids.tolist() == IDS
            assert await client.detokenize([IDS]) == ["hello world"]
            assert (await client.status())["state"] == "ready" and await client.ping() > 0
            with pytest.raises(ferry.NotFound):
                await client.embed("x", model="nothing")

            async def source():
                for number in range(500):
                    yield f"text {number}"

            for texts in (source(), [f"text {n}" for n in range(500)]):
                rows = [row async for row in client.embed_iter(texts, batch=16, in_flight=4)]
                assert (numpy.stack(rows) == again[:500]).all()

    asyncio.run(asyncio.wait_for(main(), 60))


def in_child(work):
    """Runs work() in a forked child and returns what it wrote."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = str(work())
        except BaseException as error:
            text = repr(error)
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


def test_a_client_goes_on_in_a_child_after_fork(python_client):
    expected = python_client.embed("hello world")

    def work():
        same = (python_client.embed("hello world") == expected).all()
        gc.collect()
        return bool(same)

    assert in_child(work) == "True"
    assert in_child(lambda: [python_client.close(), gc.collect()][0]) == "None"
    assert (python_client.embed("hello world") == expected).all()  # the parent's is untouched


def test_fork_while_other_threads_are_calling(python_client):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            python_client.embed("busy")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: python_client.embed("child").shape) == f"({WIDTH},)"
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def test_closing_ends_pending_calls(start_daemon, scratch):
    running = start_daemon([make_fake(scratch / "slow-close", script="batch_us=3000000")])
    client = ferry.Client(running.endpoint)
    outcome = []

    def work():
        try:
            client.embed("slow")
        except ferry.Cancelled as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    begin = time.monotonic()
    client.close()
    thread.join(5)
    assert len(outcome) == 1 and time.monotonic() - begin < 2
    with pytest.raises(ferry.Cancelled):
        client.embed("after")


def test_threads_and_descriptors_are_given_back(daemon):
    def count():
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    with ferry.Client(daemon.endpoint) as warm:
        warm.ping()
    before = count()
    for turn in range(10):
        client = ferry.Client(daemon.endpoint)
        client.ping()
        if turn % 2:
            client.close()
        del client  # collected: closed as well
    time.sleep(0.2)
    after = count()
    assert after[0] <= before[0] and after[1] <= before[1] + 2
