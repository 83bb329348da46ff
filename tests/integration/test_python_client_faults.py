"""The Python client when the daemon dies, hangs, restarts, is busy, or was never there. Nothing may
hang: every wait here has a bound, and the bound is part of the test."""

import asyncio
import signal
import sys
import threading
import time

import pytest
import zmq

from daemon_process import SOURCE_DIR, Daemon
from model_folders import WIDTH, make_fake
from raw_protocol import decode, encode

sys.path.insert(0, str(SOURCE_DIR / "clients" / "python"))

import ferry  # noqa: E402


@pytest.fixture(scope="module")
def slow_model(scratch):
    """Each batch takes 0.4 s."""
    return make_fake(scratch / "slow", script="batch_us=400000")


def seconds(work, *arguments, **named):
    """How long the call took, and its exception (or None)."""
    begin = time.monotonic()
    try:
        work(*arguments, **named)
        error = None
    except ferry.FerryError as caught:
        error = caught
    return time.monotonic() - begin, error


def test_a_daemon_that_was_never_there(tmp_path):
    endpoint = f"ipc:///tmp/{tmp_path.name}-nobody.sock"
    with ferry.Client(endpoint) as client:
        for work in (client.ping, client.status, lambda: client.embed("x")):
            took, error = seconds(work)
            assert isinstance(error, ferry.Unavailable) and endpoint in str(error)
            assert isinstance(error, ConnectionError) and 3.5 < took < 5
    with ferry.Client(endpoint, patience=0.3) as client:
        took, error = seconds(client.ping)
        assert isinstance(error, ferry.Unavailable) and took < 1


def test_tcp_without_a_daemon():
    with ferry.Client("tcp://127.0.0.1:9", patience=0.5) as client:
        took, error = seconds(client.ping)
        assert isinstance(error, ferry.Unavailable) and took < 1.5


def test_a_daemon_that_comes_later_is_found(fake_model):
    running = Daemon([fake_model])
    try:
        with ferry.Client(running.endpoint, patience=60) as client:
            result = []
            thread = threading.Thread(target=lambda: result.append(client.embed("early")))
            thread.start()
            time.sleep(0.5)
            running.start()
            thread.join(60)
            assert result and result[0].shape == (WIDTH,)
        running.stop()
    finally:
        running.remove()


def test_a_deadline_is_kept(start_daemon, slow_model):
    running = start_daemon([slow_model])
    with ferry.Client(running.endpoint) as client:
        took, error = seconds(client.embed, "x", deadline=0.15)
        assert isinstance(error, (ferry.Timeout, ferry.DeadlineExceeded))
        assert isinstance(error, TimeoutError) and 0.1 < took < 0.35
        assert client.embed("x", deadline=30).shape == (WIDTH,)


def test_a_slow_daemon_that_answers_pings_is_not_taken_for_gone(start_daemon, scratch):
    model = make_fake(scratch / "very-slow", script="batch_us=2500000")
    running = start_daemon([model])
    with ferry.Client(running.endpoint, patience=0.8) as client:
        assert client.embed("patience").shape == (WIDTH,)


def test_killed_for_good_in_the_middle_of_a_request(slow_model):
    with Daemon([slow_model]) as running, ferry.Client(running.endpoint) as client:
        client.ping()
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(seconds(client.embed, ["x"] * 200)))
        thread.start()
        time.sleep(0.2)
        running.kill()
        killed = time.monotonic()
        thread.join(20)
        assert isinstance(outcome[0][1], ferry.Unavailable) and time.monotonic() - killed < 5
        running.process = None


def test_killed_and_restarted_in_the_middle_of_a_request(slow_model):
    with Daemon([slow_model]) as running, ferry.Client(running.endpoint, patience=30) as client:
        expected = client.embed("survives")
        result = []
        thread = threading.Thread(target=lambda: result.append(client.embed("survives")))
        thread.start()
        time.sleep(0.2)
        running.kill()
        running.start()
        thread.join(30)
        assert len(result) == 1 and (result[0] == expected).all()


def test_stopped_with_sigstop(slow_model):
    with Daemon([slow_model]) as running, ferry.Client(running.endpoint) as client:
        client.ping()
        running.process.send_signal(signal.SIGSTOP)
        try:
            took, error = seconds(client.embed, "x")
            assert isinstance(error, ferry.Unavailable) and took < 5
            took, error = seconds(client.ping)
            assert isinstance(error, ferry.Unavailable) and took < 5
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert client.embed("awake again").shape == (WIDTH,)


def test_stopped_for_a_short_while_goes_unnoticed(slow_model):
    with Daemon([slow_model]) as running, ferry.Client(running.endpoint) as client:
        client.ping()
        running.process.send_signal(signal.SIGSTOP)
        threading.Timer(1.5, running.process.send_signal, [signal.SIGCONT]).start()
        assert client.embed("x").shape == (WIDTH,)


def test_restarts_under_load_lose_nothing(fake_model):
    with Daemon([fake_model]) as running, ferry.Client(running.endpoint, patience=60) as client:
        expected = client.embed("steady")
        failures, counts = [], [0] * 8
        stop = threading.Event()

        def work(number):
            try:
                while not stop.is_set():
                    if not (client.embed("steady", deadline=60) == expected).all():
                        failures.append("another vector")
                    counts[number] += 1
            except Exception as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.3)
            running.kill()
            running.start()
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not failures and all(counts)


def test_a_full_queue_is_waited_out(start_daemon, scratch):
    model = make_fake(scratch / "narrow", script="batch_us=3000")
    running = start_daemon([model], ["--queue-items", "64", "--batch-sequences", "16"])
    with ferry.Client(running.endpoint) as client:
        vectors = client.embed([f"text {n}" for n in range(4000)], deadline=60)
        assert vectors.shape == (4000, WIDTH) and vectors.any(axis=1).all()
        requests = client.status()["requests"]
        assert requests.get("BUSY", 0) > 0  # otherwise this has tested nothing


def test_cancelled_task_gives_its_request_up(start_daemon, slow_model):
    running = start_daemon([slow_model])

    async def main():
        async with ferry.AsyncClient(running.endpoint) as client:
            tasks = [asyncio.create_task(client.embed(f"text {n}")) for n in range(20)]
            await asyncio.sleep(0.1)
            for task in tasks[1:]:
                task.cancel()
            assert (await tasks[0]).shape == (WIDTH,)
            for task in tasks[1:]:
                with pytest.raises(asyncio.CancelledError):
                    await task
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.embed("late"), 0.1)
            return await client.status()

    status = asyncio.run(asyncio.wait_for(main(), 30))
    assert status["requests"].get("CANCELLED", 0) > 0


class PretendedDaemon:
    """A ROUTER that answers as the test says, for what a real ferryd does not do on demand.
    answer(request, number of requests so far) gives the replies; pings are answered here."""

    def __init__(self, answer, answers_pings=True):
        self.answer = answer
        self.answers_pings = answers_pings
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.requests = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        self.thread.join(10)
        self.socket.close()

    def run(self):
        while not self.stopping.is_set():
            if not self.socket.poll(20):
                continue
            peer, body = self.socket.recv_multipart()
            request = decode(body)
            if request["op"] == "ping" and self.answers_pings:
                self.socket.send_multipart([peer, encode({"status": "OK"})])
            if request["op"] in ("ping", "cancel"):
                continue
            self.requests.append(request)
            for reply in self.answer(request, len(self.requests)):
                self.socket.send_multipart([peer, reply])


def refuse(request, status, **fields):
    return encode({"id": request["id"], "status": status, "message": "as the test says", **fields})


def detokenized(request):
    count = len(request["ids"])
    return encode({"id": request["id"], "status": "OK", "texts": ["done"] * count, **truth(count)})


def truth(count):
    return {
        "model": {"name": "pretended", "digest": "", "engine": "", "precision": "", "device": ""},
        "tokens": [1] * count,
        "truncated": [False] * count,
        "padded_tokens": 0,
        "times_us": {"tokenize": 0, "queue": 0, "compute": 0, "total": 0},
    }


@pytest.mark.parametrize("status", ["BUSY", "OUT_OF_MEMORY", "DEVICE_LOST", "SHUTTING_DOWN"])
def test_refused_for_now_is_sent_again_with_the_same_id(status):
    def answer(request, number):
        return [refuse(request, status) if number < 4 else detokenized(request)]

    with PretendedDaemon(answer) as pretended, ferry.Client(pretended.endpoint) as client:
        assert client.detokenize([[1]]) == ["done"]
        assert len(pretended.requests) == 4
        assert len({request["id"] for request in pretended.requests}) == 1


@pytest.mark.parametrize("status", ["BAD_REQUEST", "NOT_FOUND", "UNSUPPORTED", "INTERNAL"])
def test_refused_for_good_is_not_sent_again(status):
    def answer(request, number):
        return [refuse(request, status)]

    with PretendedDaemon(answer) as pretended, ferry.Client(pretended.endpoint) as client:
        with pytest.raises(ferry.FerryError) as caught:
            client.detokenize([[1]])
        assert caught.value.status == status and len(pretended.requests) == 1


def test_busy_for_ever_ends_with_the_advice():
    def answer(request, number):
        return [refuse(request, "BUSY", retry_after_ms=30)]

    with PretendedDaemon(answer) as pretended:
        with ferry.Client(pretended.endpoint, max_attempts=3) as client:
            took, error = seconds(client.detokenize, [[1]])
            assert isinstance(error, ferry.Busy) and error.retry_after == 0.03
            assert len(pretended.requests) == 3 and took >= 0.06


def test_retry_after_is_obeyed():
    times = []

    def answer(request, number):
        times.append(time.monotonic())
        return [refuse(request, "BUSY", retry_after_ms=500) if number < 2 else detokenized(request)]

    with PretendedDaemon(answer) as pretended, ferry.Client(pretended.endpoint) as client:
        client.detokenize([[1]])
        assert 0.5 <= times[1] - times[0] < 1.2


def test_two_replies_to_one_request_are_one_result():
    def answer(request, number):
        return [detokenized(request)] * 2

    with PretendedDaemon(answer) as pretended, ferry.Client(pretended.endpoint) as client:
        assert [client.detokenize([[1]]) for _ in range(5)] == [["done"]] * 5


@pytest.mark.parametrize(
    "make",
    [
        lambda request: b"\xc1 no msgpack",
        lambda request: b"\x93\x01\x02\x03",
        lambda request: encode({"id": request["id"]}),
        lambda request: encode({"id": request["id"], "status": "OK"}),
        lambda request: encode({"id": request["id"], "status": "OK", "vectors": 3, **truth(1)}),
        lambda request: encode(
            {
                "id": request["id"],
                "status": "OK",
                "vectors": {"dtype": "f32", "shape": [2, 5], "data": b"123"},
                **truth(1),
            }
        ),
    ],
)
def test_nonsense_is_an_error_and_never_a_hang(make):
    with PretendedDaemon(lambda request, number: [make(request)]) as pretended:
        with ferry.Client(pretended.endpoint) as client:
            took, error = seconds(client.embed, ["x"])
            assert isinstance(error, ferry.BadData) and took < 2


def test_a_server_that_never_answers():
    with PretendedDaemon(lambda request, number: [], answers_pings=False) as pretended:
        with ferry.Client(pretended.endpoint, patience=1.0) as client:
            took, error = seconds(client.embed, ["x"])
            assert isinstance(error, ferry.Unavailable) and took < 2
