"""Many requests at once: each is answered exactly once, with its own rows, whatever else goes on."""

import random
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import sample_texts  # noqa: E402
from fake_rows import Oracle  # noqa: E402
from model_folders import make_fake  # noqa: E402
from raw_protocol import matrix  # noqa: E402


@pytest.fixture(scope="module")
def oracle():
    return Oracle()


@pytest.fixture(scope="module")
def slow_model(scratch):
    """20 ms a batch on one worker: long enough to see queues, short enough to wait for."""
    return make_fake(scratch / "slow", name="slow", script="batch_us=20000 workers=1")


@pytest.fixture(scope="module")
def slow_daemon(slow_model):
    from daemon_process import Daemon

    with Daemon([slow_model]) as running:
        yield running


@pytest.fixture
def slow_client(slow_daemon):
    with slow_daemon.client() as raw:
        yield raw


def near(rows, expected):
    return numpy.abs(rows - expected).max() <= 2e-7


def test_every_text_gets_the_row_of_its_own_tokens(client, oracle):
    texts = sample_texts.mixed(1000, seed=2)
    rows = numpy.concatenate([client.embed(texts[i : i + 50])[0] for i in range(0, 1000, 50)])
    assert near(rows, oracle.rows(texts))


def test_pairs_and_their_segments(client, oracle):
    pairs = [("a question?", "an answer."), ("", "second"), ("one " * 200, "two " * 200)]
    rows, reply = client.embed(pairs)
    assert near(rows, oracle.rows(pairs))
    assert reply["truncated"] == [False, False, True]


def test_a_thousand_requests_in_flight_are_answered_once_each(client, oracle):
    texts = [f"request number {i} " + "word " * (i % 50) for i in range(1000)]
    expected = oracle.rows(texts)
    for i, text in enumerate(texts):
        client.send({"op": "embed", "id": i, "texts": [text]})
    open_ids = set(range(1000))
    for _ in range(1000):
        reply = client.receive()
        assert reply["status"] == "OK", reply
        open_ids.remove(reply["id"])  # KeyError: answered twice
        assert near(matrix(reply["vectors"])[0], expected[reply["id"]])
    assert not open_ids and client.receive_body_or_none(0.2) is None


def test_eight_clients_of_mixed_habits(daemon, oracle):
    """Each thread sends requests of its own kind; nobody gets another one's answer."""
    texts = sample_texts.mixed(400, seed=4)
    expected = oracle.rows(texts)
    failures = []

    def work(seed):
        generator = random.Random(seed)
        try:
            with daemon.client(empty_frame=bool(seed % 2)) as client:
                for _ in range(40):
                    chosen = generator.sample(range(len(texts)), generator.choice((1, 1, 3, 40)))
                    rows, _ = client.embed(
                        [texts[i] for i in chosen],
                        priority=generator.choice(("interactive", "bulk")),
                    )
                    assert near(rows, expected[chosen])
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures and not any(thread.is_alive() for thread in threads), failures


def test_two_models_in_one_daemon(start_daemon, scratch, fake_model, oracle):
    other = make_fake(scratch / "other", name="other", max_length=32)
    daemon = start_daemon([fake_model, f"second={other}"])
    long_text = "many words " * 100
    with daemon.client() as client:
        names = [m["name"] for m in client.ok({"op": "status"})["server"]["models"]]
        assert names == ["fake", "second"]
        for i in range(50):  # interleaved, all in flight
            client.send({"op": "embed", "id": i, "texts": [long_text], "model": names[i % 2]})
        for _ in range(50):
            reply = client.receive()
            assert reply["status"] == "OK"
            assert reply["model"]["name"] == names[reply["id"] % 2]
            assert reply["tokens"] == [[202, 32][reply["id"] % 2]]
        assert client.embed(["x"])[1]["model"]["name"] == "fake"  # the first is the default


def test_duplicates_of_one_batch_are_computed_once(slow_client, oracle):
    before = slow_client.ok({"op": "status"})["server"]
    rows, _ = slow_client.embed(["the same text"] * 100 + ["another text"])
    after = slow_client.ok({"op": "status"})["server"]
    assert near(rows, oracle.rows(["the same text"] * 100 + ["another text"]))
    assert (
        after["computed"]["duplicates"] - before["computed"]["duplicates"] >= 99 - 4
    )  # a window may be cut in few batches
    # the same ids with other type ids are no duplicates
    ids = [101, 7592, 102]
    reply = slow_client.ok({"op": "embed", "ids": [ids, ids], "type_ids": [[0, 0, 0], [0, 1, 1]]})
    first, second = matrix(reply["vectors"])
    assert not near(first, second)


def fill_queue(client, requests=60, size=8):
    """Distinct long texts, so that they need many batches of 20 ms. Returns the ids."""
    generator = random.Random(time.monotonic())
    for i in range(requests):
        texts = [f"{generator.random()} " + "word " * 260 for _ in range(size)]
        client.send({"op": "embed", "id": f"fill{i}", "texts": texts, "priority": "bulk"})
    waiting = {f"fill{i}" for i in range(requests)}
    wait_until_queued(client, waiting, requests * size // 2)
    return waiting


def wait_until_queued(client, waiting, items):
    """Short requests may overtake long ones before these are tokenized; not after."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if client.ok_beside(waiting, {"op": "status"})["server"]["queued"]["items"] >= items:
            return
        time.sleep(0.005)
    raise AssertionError(f"{items} items were never queued at one time")


def test_deadline_is_kept_and_told(slow_client):
    """On a machine that stops the client for long, the queue may be empty by the time: once more."""
    for _ in range(5):
        reply = send_late(slow_client)
        if reply["status"] != "OK":
            break
    assert reply["status"] == "DEADLINE" and "5 ms" in reply["message"], reply


def send_late(slow_client):
    waiting = fill_queue(slow_client)
    started = time.monotonic()
    late = {
        "op": "embed",
        "id": "late",
        "texts": ["x y " * 200],
        "deadline_ms": 5,
        "priority": "bulk",
    }
    waiting.add(slow_client.send(late))
    reply = receive_one(slow_client, waiting, "late")
    assert reply["status"] == "OK" or time.monotonic() - started < 1.0
    receive_all(slow_client, waiting)
    return reply


def receive_one(client, waiting, wanted):
    while True:
        reply = client.receive()
        waiting.remove(reply["id"])
        if reply["id"] == wanted:
            return reply


def receive_all(client, waiting):
    """Status by id of everything that is still waited for."""
    statuses = {}
    while waiting:
        reply = client.receive()
        waiting.remove(reply["id"])
        statuses[reply["id"]] = reply["status"]
    return statuses


def test_cancel_gives_up_what_waits_and_answers_it(slow_client):
    waiting = fill_queue(slow_client)
    waiting.add(slow_client.send({"op": "cancel", "id": "c1", "target": "fill59"}))
    statuses = {}
    while waiting:
        reply = slow_client.receive()
        waiting.remove(reply["id"])
        statuses[reply["id"]] = reply["status"]
        if reply["id"] == "c1":
            assert reply["cancelled"] is True
    assert statuses.pop("fill59") == "CANCELLED"
    assert set(statuses.values()) == {"OK"}
    for target in ("fill59", "nosuch", 7):
        reply = slow_client.ok({"op": "cancel", "target": target})
        assert reply["cancelled"] is False


def test_nobody_can_cancel_another_clients_request(slow_daemon, slow_client):
    waiting = fill_queue(slow_client, requests=20)
    with slow_daemon.client() as stranger:
        assert stranger.ok({"op": "cancel", "target": "fill19"})["cancelled"] is False
    assert set(receive_all(slow_client, waiting).values()) == {"OK"}


def test_interactive_requests_overtake_bulk(slow_daemon, slow_client):
    waiting = fill_queue(slow_client)
    time.sleep(0.1)
    with slow_daemon.client() as other:
        started = time.monotonic()
        other.embed(["an interactive request"])
        interactive = time.monotonic() - started
    queued = slow_client.ok_beside(waiting, {"op": "status"})["server"]["queued"]["items"]
    assert queued > 0, "the bulk work was over before the interactive request was answered"
    assert interactive < 1.0
    receive_all(slow_client, waiting)


def test_bulk_is_not_starved_by_interactive_traffic(slow_daemon):
    """A stream of interactive requests that fills every batch: bulk still ends within seconds."""
    stop = threading.Event()

    def flood(seed):
        with slow_daemon.client() as client:
            count = 0
            while not stop.is_set():
                texts = [f"{seed} {count} {i} " + "word " * 260 for i in range(16)]
                assert client.call({"op": "embed", "texts": texts})["status"] in ("OK", "BUSY")
                count += 1

    threads = [threading.Thread(target=flood, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        with slow_daemon.client() as client:
            reply = client.call({"op": "embed", "texts": ["bulk work"], "priority": "bulk"}, 30)
        assert reply["status"] == "OK"
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def test_full_queue_says_busy_at_once_and_recovers(slow_daemon):
    with slow_daemon.client() as client:
        limits = client.ok({"op": "status"})["server"]["limits"]
        size = min(limits["max_items"], 256)
        long_text = "word " * 260
        requests = limits["queue_items"] // size + limits["queue_tokens"] // (256 * size) + 4
        for i in range(requests):
            texts = [f"{i} {j} {long_text}" for j in range(size)]
            client.send({"op": "embed", "id": i, "texts": texts, "deadline_ms": 2000})
        statuses = {}
        for _ in range(requests):
            reply = client.receive()
            statuses.setdefault(reply["status"], []).append(reply)
        assert set(statuses) <= {"OK", "BUSY", "DEADLINE"}, set(statuses)
        assert statuses["BUSY"], "the queue was never full"
        for reply in statuses["BUSY"]:
            assert 1 <= reply["retry_after_ms"] <= 60_000
        assert client.embed(["served again"])[0].any()
        server = client.ok({"op": "status"})["server"]
        assert server["queued"] == {"items": 0, "tokens": 0, "bytes": 0}


def test_status_counts_what_was_done(start_daemon, fake_model, oracle):
    daemon = start_daemon([fake_model])
    texts = ["one", "two words", "three words here"]
    with daemon.client() as client:
        client.embed(texts)
        client.call({"op": "embed", "texts": []})
        client.call({"op": "embed", "texts": ["a"], "model": "nosuch"})
        server = client.ok({"op": "status"})["server"]
        assert server["requests"]["BAD_REQUEST"] == 1 and server["requests"]["NOT_FOUND"] == 1
        assert server["requests"]["OK"] >= 2  # the ready check pings too
        assert server["computed"]["items"] == 3
        assert server["computed"]["tokens"] == sum(len(e.ids) for e in oracle.encode(texts))
        assert 1 <= server["computed"]["batches"] <= 3
        assert server["state"] == "ready" and server["pid"] == daemon.process.pid
        assert server["endpoints"] == [daemon.endpoint]
        (model,) = server["models"]
        assert model["name"] == "fake" and model["max_length"] == 256 and model["width"] == 384
        total = server["total_us"]
        assert total["count"] >= 1 and total["p50"] <= total["p90"] <= total["p99"] <= total["max"]
