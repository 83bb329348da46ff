"""The ferry command, and with it libferry_client, when the daemon dies, hangs, or is busy."""

import json
import signal
import subprocess
import threading
import time

import pytest

from daemon_process import Daemon, private_environment, program
from model_folders import make_fake
from test_cli import UNAVAILABLE, lines, run


@pytest.fixture(scope="module")
def slow_model(scratch):
    """Each batch takes 0.4 s."""
    return make_fake(scratch / "slow-cli", script="batch_us=400000")


def start(daemon, *arguments):
    return subprocess.Popen(
        [program("ferry"), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
    )


def finish(process, seconds):
    try:
        output, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert b"Sanitizer" not in errors, errors.decode()
    return process.returncode, output, errors


def test_killed_for_good_in_the_middle(slow_model):
    with Daemon([slow_model]) as running:
        process = start(running, "embed", "x")
        time.sleep(0.3)
        running.kill()
        running.process = None
        begin = time.monotonic()
        code, output, errors = finish(process, 20)
        assert code == UNAVAILABLE and output == b"" and b"nobody answers" in errors
        assert time.monotonic() - begin < 5


def test_killed_and_restarted_in_the_middle(slow_model):
    with Daemon([slow_model]) as running:
        expected = run(running, "embed", "survives").stdout
        process = start(running, "embed", "survives", "--patience", 30)
        time.sleep(0.3)
        running.kill()
        running.start()
        code, output, errors = finish(process, 40)
        assert code == 0 and output == expected, errors


def test_stopped_with_sigstop(slow_model):
    with Daemon([slow_model]) as running:
        running.process.send_signal(signal.SIGSTOP)
        try:
            for command in (["ping"], ["embed", "x"]):
                begin = time.monotonic()
                code, output, errors = finish(start(running, *command), 20)
                assert code == UNAVAILABLE and time.monotonic() - begin < 5
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert run(running, "ping").returncode == 0


def test_stopped_after_connecting(slow_model):
    with Daemon([slow_model]) as running:
        process = start(running, "embed", "x")
        time.sleep(0.2)
        running.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            code, _, errors = finish(process, 20)
            assert code == UNAVAILABLE and time.monotonic() - begin < 5, errors
        finally:
            running.process.send_signal(signal.SIGCONT)


def test_a_deadline_is_kept(slow_model):
    with Daemon([slow_model]) as running:
        begin = time.monotonic()
        done = run(running, "embed", "x", "--deadline", 0.1, check=75)
        assert time.monotonic() - begin < 2
        assert lines(done)[0]["error"]["code"] in ("TIMEOUT", "DEADLINE")


def test_a_full_queue_is_waited_out(start_daemon, scratch):
    model = make_fake(scratch / "narrow-cli", script="batch_us=3000")
    running = start_daemon([model], ["--queue-items", "64", "--batch-sequences", "16"])
    texts = "".join(f"text {number}\n" for number in range(3000))
    done = run(running, "tokenize", input=texts)
    assert len(lines(done)) == 3000
    done = run(running, "embed", "--deadline", 60, input=texts)
    found = lines(done)
    assert [entry["index"] for entry in found] == list(range(3000))
    assert all("embedding" in entry for entry in found)
    status = json.loads(run(running, "status", "--json").stdout)
    assert status["requests"].get("BUSY", 0) > 0  # otherwise this has tested nothing


def test_the_engine_failing_on_one_text_leaves_the_others(start_daemon, scratch):
    model = make_fake(scratch / "poisoned", script="poison=7592")
    running = start_daemon([model])
    done = run(running, "embed", "good", "hello", "fine", check=70)
    found = lines(done)
    assert [entry.get("error", {}).get("code") for entry in found] == [None, "ENGINE", None]


def test_restarts_under_load_lose_nothing(fake_model):
    with Daemon([fake_model]) as running:
        results = []

        def work():
            process = start(running, "bench", "-t", 3, "-w", 0, "-i", 8, "--patience", 30, "--json")
            results.append(finish(process, 60))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.6)
            running.kill()
            running.start()
        for thread in threads:
            thread.join(90)
        assert len(results) == 2
        for code, output, errors in results:
            assert code == 0, errors
            report = json.loads(output)
            assert report["errors"] == {} and report["requests"] > 0
