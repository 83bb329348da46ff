"""The ferry command against a real ferryd: what it prints, in every form, and its exit codes."""

import json
import os
import subprocess
import time

import numpy
import pytest

from daemon_process import private_environment, program
from model_folders import MAX_LENGTH, WIDTH
from raw_protocol import RawClient

USAGE, DATA, NO_INPUT, UNAVAILABLE, IO_ERROR = 64, 65, 66, 69, 74


def run(daemon, *arguments, input=None, check=0, timeout=60, **named):
    """Runs ferry; bytes in and out. check: the exit code that is expected."""
    done = subprocess.run(
        [program("ferry"), *map(str, arguments)],
        input=input if input is None or isinstance(input, bytes) else input.encode(),
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        timeout=timeout,
        env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint, **named}),
    )
    assert done.returncode == check, f"{done.returncode}: {done.stderr.decode()}"
    assert b"Sanitizer" not in done.stderr, done.stderr.decode()
    return done


def lines(done):
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def expected_rows(daemon, texts, **fields):
    with RawClient(daemon.endpoint) as raw:
        return raw.embed(texts, **fields)[0]


def test_texts_as_arguments(daemon):
    found = lines(run(daemon, "embed", "hello world", "", "ünïcödé 漢字"))
    rows = expected_rows(daemon, ["hello world", "", "ünïcödé 漢字"])
    assert [entry["index"] for entry in found] == [0, 1, 2]
    assert [entry["tokens_used"] for entry in found][:2] == [4, 2]
    assert not any(entry["truncated"] for entry in found)
    assert (numpy.array([e["embedding"] for e in found], numpy.float32) == rows).all()


def test_lines_of_a_file_and_of_standard_input(daemon, tmp_path):
    path = tmp_path / "texts"
    path.write_bytes("one\ntwo\r\n\nlast without newline".encode())
    rows = expected_rows(daemon, ["one", "two", "", "last without newline"])
    for found in (
        lines(run(daemon, "embed", "--file", path)),
        lines(run(daemon, "embed", "-f", "-", input=path.read_bytes())),
        lines(run(daemon, "embed", input=path.read_bytes())),
    ):
        assert (numpy.array([e["embedding"] for e in found], numpy.float32) == rows).all()


def test_no_texts_no_output(daemon):
    assert run(daemon, "embed", input="").stdout == b""
    assert run(daemon, "tokenize", "--file", "/dev/null").stdout == b""


def test_pairs(daemon):
    rows = expected_rows(daemon, [["a", "b"], ["c", "d\te"]])
    by_lines = lines(run(daemon, "embed", "--pair", input="a\tb\nc\td\te\n"))
    by_arguments = lines(run(daemon, "embed", "-p", "a", "b", "c", "d\te"))
    for found in (by_lines, by_arguments):
        assert (numpy.array([e["embedding"] for e in found], numpy.float32) == rows).all()
    done = run(daemon, "tokenize", "--pair", input="a\tb\nno tab\nc\td\n", check=DATA)
    found = lines(done)
    assert found[1] == {
        "index": 1,
        "error": {"code": "BAD_DATA", "message": "no tab in the line: --pair wants TEXT<tab>TEXT"},
    }
    assert found[2]["index"] == 2 and found[2]["type_ids"] == [0, 0, 0, 1, 1]
    assert b"1 of 3 texts failed" in done.stderr
    run(daemon, "embed", "--pair", "odd", check=USAGE)


def test_dtypes(daemon):
    rows = expected_rows(daemon, ["x"])[0]
    half = lines(run(daemon, "embed", "--dtype", "f16", "x"))[0]["embedding"]
    assert (numpy.array(half, numpy.float16) == rows.astype(numpy.float16)).all()
    whole = lines(run(daemon, "embed", "--dtype", "int8", "x"))[0]
    assert all(isinstance(number, int) for number in whole["embedding"])
    assert numpy.allclose(numpy.array(whole["embedding"]) * whole["scale"], rows, atol=0.002)
    bits = lines(run(daemon, "embed", "--dtype", "binary", "x"))[0]["embedding"]
    assert bits == (rows > 0).astype(int).tolist()


def test_options_reach_the_daemon(daemon):
    plain = lines(run(daemon, "embed", "--normalize", "no", "x"))[0]["embedding"]
    assert numpy.allclose(plain, expected_rows(daemon, ["x"], normalize=False)[0])
    cut = lines(run(daemon, "tokenize", "--max-tokens", 4, "--truncate", "left", "a b c d"))[0]
    assert cut["truncated"] and cut["tokens"] == ["[CLS]", "c", "d", "[SEP]"]
    as_text = lines(run(daemon, "tokenize", "--special-tokens", "text", "[SEP]"))[0]
    assert as_text["tokens"] == ["[CLS]", "[", "sep", "]", "[SEP]"]
    failed = run(daemon, "embed", "--truncate", "error", "word " * 1000, check=DATA)
    assert lines(failed)[0]["error"]["code"] == "TOO_LONG"
    missing = run(daemon, "embed", "--model", "nothing", "x", check=DATA)
    assert b'no model "nothing"' in missing.stderr and missing.stdout == b""
    by_environment = run(daemon, "embed", "x", check=DATA, FERRY_MODEL="nothing")
    assert b'no model "nothing"' in by_environment.stderr


def test_tokenize(daemon):
    found = lines(run(daemon, "tokenize", "hello wörld"))[0]
    assert found == {
        "index": 0,
        "truncated": False,
        "tokens_used": 4,
        "ids": [101, 7592, 2088, 102],
        "tokens": ["[CLS]", "hello", "world", "[SEP]"],
        "offsets": [[0, 0], [0, 5], [6, 11], [0, 0]],
        "type_ids": [0, 0, 0, 0],
        "special": [1, 0, 0, 1],
    }
    short = lines(run(daemon, "tokenize", "--no-offsets", "--no-special-tokens", "hello"))[0]
    assert short["ids"] == [7592] and "offsets" not in short
    long = lines(
        run(daemon, "tokenize", "--windows", "--stride", 1, "--max-tokens", 5, "a b c d e f g")
    )[0]
    assert long["truncated"] and [len(window["ids"]) for window in long["windows"]] == [5, 5]
    assert long["windows"][0]["offsets"][1] == [4, 5]


def test_invalid_utf8_fails_its_own_line_only(daemon):
    done = run(daemon, "embed", input=b"fine\n\xff\xfe\nfine too\n", check=DATA)
    found = lines(done)
    assert [entry["index"] for entry in found] == [0, 1, 2]
    assert found[1]["error"]["code"] == "INVALID_INPUT" and "embedding" in found[2]


def test_a_line_over_the_daemons_limit_fails_alone(start_daemon, fake_model):
    running = start_daemon([fake_model], ["--max-request-bytes", "1M"])
    done = run(running, "tokenize", input=b"fine\n" + b"x" * 2_000_000 + b"\ntoo\n", check=DATA)
    found = lines(done)
    assert [entry.get("error", {}).get("code") for entry in found] == [None, "TOO_LARGE", None]


def test_long_texts_are_cut_and_say_so(daemon):
    found = lines(run(daemon, "embed", input=b"word " * 2_000_000 + b"\nshort\n"))
    assert [entry["truncated"] for entry in found] == [True, False]
    assert found[0]["tokens_used"] == MAX_LENGTH


@pytest.mark.parametrize("form", ["npy", "f32"])
def test_binary_formats(daemon, tmp_path, form):
    texts = [f"text {number}" for number in range(500)]
    path = tmp_path / "rows"
    arguments = ["embed", "--format", form, "-o", path]
    run(daemon, *arguments, input="\n".join(texts))
    load = numpy.load if form == "npy" else lambda p: numpy.fromfile(p, "<f4").reshape(-1, WIDTH)
    assert (load(path) == expected_rows(daemon, texts)).all()
    done = run(daemon, *arguments, input=b"\xff\nfine\n\xff\n", check=DATA)
    rows = load(path)
    assert rows.shape == (3, WIDTH) and not rows[0].any() and not rows[2].any() and rows[1].any()
    assert b"2 of 3 texts failed" in done.stderr
    run(daemon, *arguments, input="")
    assert load(path).size == 0


def test_raw_floats_to_standard_output_and_npy_needs_a_file(daemon):
    done = run(daemon, "embed", "--format", "f32", "x")
    assert (numpy.frombuffer(done.stdout, "<f4") == expected_rows(daemon, ["x"])[0]).all()
    assert b"--output" in run(daemon, "embed", "--format", "npy", "x", check=USAGE).stderr


def test_many_lines_stay_in_order_and_memory_stays_bounded(daemon, tmp_path):
    path = tmp_path / "many"
    path.write_text("".join(f"text number {number}\n" for number in range(200_000)))
    measured = (
        subprocess.run(
            ["/usr/bin/env", "bash", "-c", 'ulimit -v 600000; exec "$0" tokenize -f "$1"']
            + [program("ferry"), path],
            capture_output=True,
            timeout=120,
            env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
        )
        if not is_sanitized()
        else run(daemon, "tokenize", "-f", path, timeout=300)
    )
    assert measured.returncode == 0, measured.stderr
    found = measured.stdout.splitlines()
    assert len(found) == 200_000
    for at in (0, 31, 32, 99_999, 199_999):
        assert json.loads(found[at])["index"] == at


def is_sanitized():
    return b"libasan" in subprocess.run(["ldd", program("ferry")], capture_output=True).stdout


def test_an_answer_comes_before_the_input_ends(daemon):
    process = subprocess.Popen(
        [program("ferry"), "embed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
    )
    try:
        for number in range(3):
            process.stdin.write(b"a line\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["index"] == number
        process.stdin.close()
        assert process.wait(10) == 0 and process.stdout.read() == b""
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_a_closed_pipe_ends_it_quietly(daemon):
    script = f"set -o pipefail; yes text | {program('ferry')} embed | head -n 3"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        timeout=60,
        env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
    )
    assert done.stderr == b"" and len(done.stdout.splitlines()) == 3
    assert done.returncode in (0, 141)  # 128 + SIGPIPE, as with cat


def test_files(daemon, tmp_path):
    missing = run(daemon, "embed", "-f", tmp_path / "missing", check=NO_INPUT)
    assert b"missing: No such file" in missing.stderr
    run(daemon, "embed", "-f", tmp_path, check=NO_INPUT)
    run(daemon, "embed", "-o", tmp_path / "no" / "such", "x", check=IO_ERROR)
    run(daemon, "embed", "-f", "/dev/null", "x", check=USAGE)


def test_a_full_disk_is_an_error(daemon):
    for command in (["embed", "x"], ["status"], ["ping"], ["--help"], ["embed", "--help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [program("ferry"), *command],
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=30,
                env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
            )
        assert done.returncode == IO_ERROR, command
        assert b"No space left" in done.stderr


def test_usage_errors(daemon):
    unknown = run(daemon, "classify", "x", check=USAGE)
    assert unknown.stderr == (
        b'ferry: unknown command "classify": there are embed, tokenize, detokenize, score, next, '
        b"generate, status, ping, bench\n"
    )
    assert b"usage: ferry COMMAND" in run(daemon, check=USAGE).stderr
    assert b"--dtype takes" in run(daemon, "embed", "--dtype", "f99", "x", check=USAGE).stderr
    assert b"no such option" in run(daemon, "embed", "--nonsense", check=USAGE).stderr
    run(daemon, "status", "x", check=USAGE)
    run(daemon, "bench", "--clients", 100000, check=USAGE)


def test_help(daemon):
    assert b"usage: ferry COMMAND" in run(daemon, "--help").stdout
    assert run(daemon, "--version").stdout.startswith(b"ferry ")
    for command in ("embed", "tokenize", "status", "ping", "bench"):
        assert b"--connect ENDPOINT" in run(daemon, command, "--help").stdout


def test_status(daemon):
    run(daemon, "embed", "x")
    text = run(daemon, "status").stdout.decode()
    assert "ready" in text and "model fake" in text and daemon.endpoint in text
    status = json.loads(run(daemon, "status", "--json").stdout)
    with RawClient(daemon.endpoint) as raw:
        server = raw.ok({"op": "status"})["server"]
    assert status.keys() == server.keys()
    for name in ("version", "state", "pid", "endpoints", "models", "limits"):
        assert status[name] == server[name], name


def test_ping(daemon):
    assert daemon.endpoint.encode() in run(daemon, "ping").stdout
    done = run(daemon, "ping", "--json", "--count", 2)
    assert all(json.loads(line)["round_trip_us"] > 0 for line in done.stdout.splitlines())


def test_no_daemon(daemon, tmp_path):
    nobody = f"ipc:///tmp/{tmp_path.name}-nobody"
    for command in (["ping"], ["status"], ["embed", "x"], ["bench", "-t", "1"]):
        begin = time.monotonic()
        done = run(daemon, *command, "--connect", nobody, "--patience", 0.5, check=UNAVAILABLE)
        assert nobody.encode() in done.stderr and done.stdout == b""
        assert time.monotonic() - begin < 5
    begin = time.monotonic()
    run(daemon, "ping", "-c", nobody, check=UNAVAILABLE)
    assert 3.5 < time.monotonic() - begin < 5
    run(daemon, "ping", "-c", "nonsense", check=78)


def test_default_endpoint_below_the_runtime_folder(daemon):
    if os.geteuid() == 0:
        done = run(daemon, "ping", "--patience", 0.2, check=UNAVAILABLE, FERRY_ENDPOINT="")
        assert b"ipc:///run/ferry/ferry.sock" in done.stderr
    else:
        run(daemon, "ping", FERRY_ENDPOINT="")  # the test's daemon listens just there
