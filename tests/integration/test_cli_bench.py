"""ferry bench: that its figures are the load's own."""

import json

import pytest

from model_folders import make_fake
from test_cli import UNAVAILABLE, run


@pytest.fixture(scope="module")
def paced_model(scratch):
    """Each batch takes 20 ms."""
    return make_fake(scratch / "paced", script="batch_us=20000")


def bench(daemon, *arguments, **options):
    return json.loads(run(daemon, "bench", "--json", *arguments, **options).stdout)


def test_a_count_is_exact(daemon):
    report = bench(daemon, "--count", 300, "--clients", 3, "--in-flight", 4, "-b", 5, "-w", 0)
    assert report["requests"] == 300 and report["texts"] == 1500
    assert report["tokens"] > 1500 and report["errors"] == {}
    assert report["mode"] == "closed" and report["clients"] == 3
    latency = report["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"]
    assert latency["p99.9"] <= latency["max"] and latency["mean"] <= latency["max"]


def test_closed_loop_latency_and_throughput_fit_together(start_daemon, paced_model):
    running = start_daemon([paced_model])
    report = bench(running, "-t", 1.5, "-w", 0.2, "--clients", 2, "--in-flight", 2)
    assert report["latency_us"]["p50"] >= 20000
    # Little's law: in flight = rate x latency.
    in_flight = report["requests_per_s"] * report["latency_us"]["mean"] / 1e6
    assert 3.2 < in_flight < 4.8
    assert report["daemon_mean_us"]["compute"] >= 19000


def test_poisson_arrivals_keep_their_rate(daemon):
    report = bench(daemon, "--rate", 400, "-t", 2, "-w", 0.1, "--clients", 2)
    assert report["mode"] == "poisson"
    assert 640 < report["requests"] < 960  # 800 expected, standard deviation 28
    same = bench(daemon, "--rate", 400, "-t", 0.5, "-w", 0, "--seed", 5)
    assert same["rate"] == 400


def test_open_loop_latency_counts_from_the_intended_time(start_daemon, scratch):
    """100 requests a second that take 20 ms one after another: the wait in the queue must show."""
    model = make_fake(scratch / "one-by-one", script="batch_us=20000")
    running = start_daemon([model], ["--batch-sequences", "1"])
    report = bench(running, "--rate", 100, "-t", 1, "-w", 0)
    assert report["latency_us"]["max"] > 500_000
    assert report["seconds"] > 1.4


@pytest.mark.parametrize("operation", ["tokenize", "ping"])
def test_other_operations(daemon, operation):
    report = bench(daemon, "--operation", operation, "--count", 50, "-w", 0)
    assert report["requests"] == 50 and report["operation"] == operation


def test_texts_of_a_file(daemon, tmp_path):
    path = tmp_path / "texts"
    path.write_text("hello world\n\nhello\n")
    report = bench(daemon, "-f", path, "-n", 10, "-w", 0)
    assert report["tokens"] == 5 * 4 + 5 * 3  # empty lines are left out
    path.write_text("\n")
    run(daemon, "bench", "-f", path, check=65)
    run(daemon, "bench", "-f", tmp_path / "missing", check=66)


def test_errors_are_counted_and_tell_in_the_exit_code(daemon):
    done = run(daemon, "bench", "--json", "-n", 5, "-w", 0, "--model", "nothing", check=65)
    report = json.loads(done.stdout)
    assert report["errors"] == {"NOT_FOUND": 5} and report["requests"] == 0
    assert b"nothing" in done.stderr


def test_text_report(daemon):
    text = run(daemon, "bench", "-n", 20, "-w", 0).stdout.decode()
    for word in ("closed loop", "requests", "throughput", "p50", "p99.9", "max"):
        assert word in text
    run(daemon, "bench", "-n", 5, "-c", "ipc:///tmp/nobody", "--patience", 0.3, check=UNAVAILABLE)
