"""Start, stop, crash and restart, seen from outside."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from daemon_process import Daemon, DaemonFailed, run_until_exit
from model_folders import make_fake
from raw_protocol import matrix


@pytest.fixture(scope="module")
def slow_model(scratch):
    return make_fake(scratch / "slow-life", name="slow", script="batch_us=30000 workers=1")


def send_many(client, count):
    for i in range(count):
        texts = [f"{i} {j} " + "word " * 260 for j in range(8)]
        client.send({"op": "embed", "id": i, "texts": texts})


def test_sigterm_answers_what_was_accepted_and_refuses_the_rest(slow_model):
    with Daemon([slow_model]) as daemon, daemon.client() as client, daemon.client() as late:
        late.ok({"op": "ping"})
        send_many(client, 30)
        time.sleep(0.2)
        daemon.terminate()
        time.sleep(0.1)
        late.send({"op": "embed", "id": "late", "texts": ["too late"]})
        statuses = [client.receive()["status"] for _ in range(30)]
        assert set(statuses) <= {"OK", "SHUTTING_DOWN"} and statuses.count("OK") >= 1
        body = late.receive_body_or_none(10)
        if body is not None:  # the daemon may also be gone by now
            from raw_protocol import decode

            reply = decode(body)
            assert reply["status"] == "SHUTTING_DOWN" and reply["id"] == "late"
        daemon.expect_exit(0)


def test_second_sigterm_ends_at_once(scratch):
    folder = make_fake(scratch / "very-slow", script="batch_us=500000 workers=1")
    with Daemon([folder]) as daemon, daemon.client() as client:
        send_many(client, 200)
        time.sleep(0.5)
        daemon.terminate()
        time.sleep(0.3)
        daemon.terminate()
        started = time.monotonic()
        daemon.expect_exit(0, seconds=10)
        assert time.monotonic() - started < 5


def test_sigterm_while_long_texts_wait_to_be_tokenized(fake_model):
    """They are answered at once instead of being tokenized first, and the end is a clean one."""
    text = "long words wait here " * 150_000
    with Daemon([fake_model], ["--drain-ms", "0"]) as daemon, daemon.client() as client:
        waiting = {
            client.send({"op": "tokenize", "texts": [text], "truncate": "left", "max_tokens": 16})
            for _ in range(30)
        }
        client.ok_beside(waiting, {"op": "ping"})
        daemon.terminate()
        while waiting:
            reply = client.receive(timeout=20)
            assert reply["status"] in ("OK", "SHUTTING_DOWN"), reply
            waiting.remove(reply["id"])
        daemon.expect_exit(0)


def test_sigint_stops_like_sigterm(fake_model):
    with Daemon([fake_model]) as daemon:
        daemon.process.send_signal(signal.SIGINT)
        daemon.expect_exit(0)


def test_socket_file_is_for_owner_and_group_and_removed_at_the_end(fake_model):
    with Daemon([fake_model]) as daemon:
        path = Path(daemon.endpoint.removeprefix("ipc://"))
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
        daemon.stop()
        assert not path.exists()


def test_after_kill_9_a_new_daemon_takes_the_endpoint_and_old_clients_come_back(fake_model):
    first = Daemon([fake_model])
    try:
        first.start()
        with first.client() as client:
            before, _ = client.embed(["the same before and after"])
            first.kill()
            with Daemon([fake_model], endpoint=first.endpoint):
                client.socket.setsockopt(18, 50)  # ZMQ_RECONNECT_IVL
                deadline = time.monotonic() + 30
                reply = None
                while reply is None and time.monotonic() < deadline:
                    reply = client.call_or_none(
                        {"op": "embed", "texts": ["the same before and after"]}, timeout=0.5
                    )
                assert reply and (matrix(reply["vectors"]) == before).all()
    finally:
        first.remove()


def test_second_daemon_is_refused_and_the_first_goes_on(fake_model, daemon):
    code, log = run_until_exit([fake_model], ["--listen", daemon.endpoint])
    assert code == 69 and daemon.endpoint.removeprefix("ipc://") in log, (code, log)
    with daemon.client() as client:
        assert client.ok({"op": "ping"})


def test_foreign_file_at_the_socket_path_is_left_alone(fake_model, scratch):
    path = scratch / "precious"
    path.write_text("not a socket")
    code, log = run_until_exit([fake_model], ["--listen", f"ipc://{path}"])
    assert code != 0 and str(path) in log
    assert path.read_text() == "not a socket"


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_several_endpoints_ipc_and_tcp(fake_model):
    tcp = f"tcp://127.0.0.1:{free_tcp_port()}"
    from raw_protocol import RawClient

    with Daemon([fake_model], ["--listen", tcp]) as daemon:
        with daemon.client() as near, RawClient(tcp) as far:
            assert (near.embed(["hello"])[0] == far.embed(["hello"])[0]).all()


def test_two_hundred_connections_come_and_go_without_a_leak(daemon):
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    def churn(count):
        for _ in range(count):
            with daemon.client() as client:
                client.ok({"op": "ping"})

    churn(50)
    time.sleep(0.3)
    before_descriptors, before_bytes = descriptors(), daemon.resident_bytes()
    churn(200)
    time.sleep(0.5)
    assert descriptors() <= before_descriptors + 5
    assert daemon.resident_bytes() - before_bytes < 8 << 20


def test_slow_reader_does_not_hold_up_others(daemon):
    """A client that never reads: its replies are dropped at a bound, others are served."""
    with daemon.client() as lazy, daemon.client() as busy:
        lazy.socket.rcvhwm = 1
        for i in range(2000):
            lazy.send({"op": "embed", "id": i, "texts": [f"text {i} {j}" for j in range(32)]})
        started = time.monotonic()
        for i in range(20):
            reply = busy.call({"op": "embed", "texts": ["quick"]}, timeout=60)
            assert reply["status"] in ("OK", "BUSY")
        assert time.monotonic() - started < 60


def test_poisoned_item_is_found_and_the_rest_answered(start_daemon, scratch):
    folder = make_fake(scratch / "poison", script="poison=7592")
    daemon = start_daemon([folder])
    texts = ["good one", "hello there", "good two"] * 5
    with daemon.client() as client:
        reply = client.ok({"op": "embed", "texts": texts})
        assert [e["index"] for e in reply["errors"]] == [1, 4, 7, 10, 13]
        assert {e["status"] for e in reply["errors"]} == {"ENGINE"}
        rows = matrix(reply["vectors"])
        assert rows[0].any() and rows[2].any() and not rows[1].any()


def test_no_item_is_told_what_the_engine_says_of_another(start_daemon, scratch):
    """The engine names the id: one of the item's own, or it is told no more than that it failed."""
    poisons = range(2000, 2016)
    script = " ".join(f"poison={poison}" for poison in poisons)
    daemon = start_daemon([make_fake(scratch / "texts-of-errors", script=script)])
    with daemon.client() as client:
        ids = [[101, poison, 3000 + i, 102] for i in range(4) for poison in poisons]
        reply = client.ok({"op": "embed", "ids": ids})
    assert len(reply["errors"]) == len(ids)
    for error in reply["errors"]:
        own = f"id {ids[error['index']][1]} is poison"
        assert own in error["message"] or "poison" not in error["message"], error


def test_out_of_memory_halves_the_batch_and_only_too_large_items_fail(start_daemon, scratch):
    folder = make_fake(scratch / "oom", script="oom_above=128")
    daemon = start_daemon([folder])
    texts = [f"short text {i}" for i in range(64)] + ["long " * 200]
    with daemon.client() as client:
        for _ in range(2):  # the second time the daemon remembers
            reply = client.ok({"op": "embed", "texts": texts})
            assert [(e["index"], e["status"]) for e in reply["errors"]] == [(64, "OUT_OF_MEMORY")]
            assert matrix(reply["vectors"])[:64].any(axis=1).all()


def test_lost_device_fails_what_waits_and_ends_the_daemon(scratch):
    folder = make_fake(scratch / "lost", script="lost_at=3 batch_us=1000")
    daemon = Daemon([folder])
    try:
        daemon.start()
        with daemon.client() as client:
            statuses = []
            for i in range(10):
                reply = client.call_or_none({"op": "embed", "texts": [f"text {i}"]}, timeout=5)
                if reply is None:
                    break
                statuses.append(reply["status"])
            assert statuses[:2] == ["OK", "OK"]
            assert set(statuses[2:]) <= {"DEVICE_LOST", "SHUTTING_DOWN"}
        daemon.process.wait(20)
        assert daemon.process.returncode not in (0, None)
        daemon.assert_no_sanitizer_output()
    finally:
        daemon.remove()


def test_a_daemon_that_does_not_become_ready_is_noticed_by_these_tests(scratch):
    """The harness itself can fail: a model whose load fails must not look like a running daemon."""
    folder = make_fake(scratch / "load-fails", script="load_fails=BAD_DATA")
    with pytest.raises(DaemonFailed):
        Daemon([folder]).start()
