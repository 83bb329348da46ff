"""ferry score, next, generate and detokenize against a real ferryd with the fake engine."""

import os
import pty
import signal
import subprocess
import time

import pytest
from tokenizers import decoders, pre_tokenizers

from daemon_process import Daemon, private_environment, program
from fake_rows import fake_greedy
from model_folders import DECODE_VOCABULARY, END_ID, make_fake_decoder
from test_cli import lines, run

USAGE, DATA, UNAVAILABLE, INTERRUPTED = 64, 65, 69, 130
LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())  # id = place, as in the model's vocabulary
PROMPT = "Once upon a time"


def ids_of(text):
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    return [LETTERS.index(letter) for piece, _ in pieces for letter in piece]


def as_text(ids):
    return decoders.ByteLevel().decode([LETTERS[i] for i in ids if i < END_ID])


def continued(text, count):
    return fake_greedy(ids_of(text), DECODE_VOCABULARY, count)


@pytest.fixture(scope="module")
def daemon(scratch):
    with Daemon([make_fake_decoder(scratch / "cli-decoder")]) as running:
        yield running


@pytest.fixture
def slow_daemon(scratch, start_daemon):
    """20 ms a step."""
    script = "step_us=20000"
    return start_daemon([make_fake_decoder(scratch / "cli-slow", name="slow", script=script)])


def test_score(daemon):
    found = lines(run(daemon, "score", "--top", 2, "hello", "a"))
    assert [entry["index"] for entry in found] == [0, 1]
    hello = found[0]
    assert hello["ids"] == ids_of("hello") and len(hello["tokens"]) == 5
    assert len(hello["logprobs"]) == 5 and hello["scored"] in (4, 5)
    if hello["scored"] == 4:
        assert hello["logprobs"][0] is None, "NaN is null in JSON"
    known = [number for number in hello["logprobs"] if number is not None]
    assert hello["logprob_sum"] == pytest.approx(sum(known), abs=1e-4)
    assert hello["perplexity"] > 1
    assert len(hello["top_ids"]) == 5 and len(hello["top_logprobs"][1]) == 2
    assert hello["tokens_used"] == 5 and hello["truncated"] is False


def test_score_of_long_texts_by_windows(daemon):
    text = "x" * 300
    error = lines(run(daemon, "score", text, check=DATA))[0]["error"]
    assert error["code"] == "TOO_LONG"
    one = lines(run(daemon, "score", "--windows", "--stride", 20, text))[0]
    assert one["ids"] == ids_of(text) and one["scored"] >= 299


def test_next(daemon):
    found = lines(run(daemon, "next", "--top", 3, "hello"))[0]
    assert len(found["ids"]) == len(found["logprobs"]) == len(found["tokens"]) == 3
    assert found["ids"][0] == continued("hello", 1)[0]
    assert len(lines(run(daemon, "next", "hello"))[0]["ids"]) == 10


def test_generate(daemon):
    found = lines(run(daemon, "generate", "--max-new-tokens", 9, PROMPT, "other"))
    assert [entry["ids"] for entry in found] == [continued(PROMPT, 9), continued("other", 9)]
    assert found[0]["text"] == as_text(continued(PROMPT, 9))
    assert found[0]["finish_reason"] == "length" and "logprobs" not in found[0]
    assert isinstance(found[0]["seed"], int)


def test_every_option_of_generate_is_taken(daemon):
    options = ["--max-new-tokens", 6, "--min-new-tokens", 2, "--n", 2, "--temperature", 0.8]
    options += ["--top-k", 50, "--top-p", 0.95, "--min-p", 0.01, "--repetition-penalty", 1.2]
    options += ["--seed", 2**64 - 1, "--stop", "\n\n", "--stop", "END", "--stop-id", 3]
    options += ["--logprobs", "--top", 2, "--echo", "--ignore-end", "--keep-special-tokens"]
    options += ["--no-special-tokens", "--truncate", "left", "--max-tokens", 8]
    first = lines(run(daemon, "generate", *options, PROMPT))[0]
    assert first["seed"] == 2**64 - 1 and len(first["choices"]) == 2
    assert first["truncated"] is True and first["tokens_used"] == 8
    choice = first["choices"][0]
    assert choice["text"].startswith(PROMPT[-8:])
    assert len(choice["logprobs"]) == len(choice["ids"]) == len(choice["top_ids"])
    assert lines(run(daemon, "generate", *options, PROMPT))[0] == first


def test_a_seed_does_not_hang_on_what_else_is_asked(daemon):
    options = ["--temperature", 1, "--seed", 5, "--max-new-tokens", 8]
    alone = lines(run(daemon, "generate", *options, PROMPT))[0]
    many = lines(run(daemon, "generate", *options, "--batch", 4, "first", PROMPT, "last"))
    assert many[1]["ids"] == alone["ids"] and many[0]["ids"] != alone["ids"]


def test_texts_from_standard_input_come_in_order(daemon):
    prompts = [f"prompt number {number}" for number in range(100)]
    found = lines(run(daemon, "generate", "--max-new-tokens", 3, input="\n".join(prompts)))
    assert [entry["index"] for entry in found] == list(range(100))
    assert [entry["ids"] for entry in found] == [continued(p, 3) for p in prompts]


def test_ids_instead_of_texts(daemon):
    wanted = fake_greedy([7, 8, 9], DECODE_VOCABULARY, 4)
    for row in ("[7, 8, 9]", "7 8 9", " [ 7,8 , 9 ] "):
        found = lines(run(daemon, "generate", "--ids", "--max-new-tokens", 4, row))
        assert found[0]["ids"] == wanted
    rows = "[7,8,9]\nseven\n7 8 9\n7,8\n[7,]\n99999999999\n"
    found = lines(run(daemon, "generate", "--ids", "--max-new-tokens", 4, input=rows, check=DATA))
    assert [entry.get("ids") for entry in found] == [wanted, None, wanted, None, None, None]
    assert found[1]["error"]["code"] == "INVALID_INPUT"
    assert "no row of ids" in found[1]["error"]["message"]
    outside = lines(run(daemon, "score", "--ids", "1 999999", check=DATA))[0]
    assert outside["error"]["code"] == "INVALID_INPUT"
    run(daemon, "generate", "--ids", "--pair", "1", check=USAGE)


def test_detokenize(daemon):
    rows = [str(ids_of("hello wörld")), str(ids_of("again") + [END_ID])]
    found = lines(run(daemon, "detokenize", input="\n".join(rows)))
    assert [entry["text"] for entry in found] == ["hello wörld", "again"]
    kept = lines(run(daemon, "detokenize", "--keep-special-tokens", rows[1]))
    assert kept[0]["text"] == "again<|endoftext|>"


def test_wrong_values(daemon):
    for option, value in [("--seed", "-1"), ("--top-p", "0"), ("--temperature", "nan")]:
        done = run(daemon, "generate", option, value, "a", check=USAGE)
        assert option.encode() in done.stderr
    done = run(daemon, "generate", "--top-p", 2, "a", check=DATA)
    assert b"top_p: 2 is outside 0 (excluded) to 1" in done.stderr
    done = run(daemon, "generate", "--top", 3, "a", check=DATA)
    assert b"top: has a meaning only with logprobs" in done.stderr
    run(daemon, "generate", "--max-length", 3, "a", check=USAGE)
    run(daemon, "generate", "--stream", "--n", 2, "a", check=USAGE)


# ---- streams ----


def test_streamed_text_is_the_text(daemon):
    done = run(daemon, "generate", "--stream", "--max-new-tokens", 20, PROMPT, "other")
    wanted = as_text(continued(PROMPT, 20)) + "\n" + as_text(continued("other", 20)) + "\n"
    assert done.stdout.decode() == wanted


def test_streamed_json_has_every_piece(daemon):
    options = ["--stream", "--json", "--n", 2, "--max-new-tokens", 6, "--logprobs"]
    pieces = lines(run(daemon, "generate", *options, PROMPT, "other"))
    came = {}
    for piece in pieces:
        key = piece["index"], piece["choice"]
        assert "finish_reason" not in came.get(key, [{}])[-1]
        assert len(piece["logprobs"]) == len(piece["ids"])
        came.setdefault(key, []).append(piece)
    assert set(came) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for (index, _), found in came.items():
        wanted = continued(PROMPT if index == 0 else "other", 6)
        assert [i for piece in found for i in piece["ids"]] == wanted
        assert found[-1]["finish_reason"] == "length"


def test_a_stream_that_fails(daemon):
    done = run(daemon, "generate", "--stream", "--max-new-tokens", 2, "x" * 500, "ok", check=DATA)
    assert done.stdout.decode() == "\n" + as_text(continued("ok", 2)) + "\n"
    assert b"text 0" in done.stderr
    done = run(daemon, "generate", "--stream", "--json", "x" * 500, check=DATA)
    assert lines(done)[0]["error"]["code"] == "TOO_LONG"


def test_a_model_without_tokenizer_streams_ids(scratch, start_daemon):
    daemon = start_daemon([make_fake_decoder(scratch / "cli-music", name="music", tokenizer=False)])
    wanted = fake_greedy([1, 2, 3], DECODE_VOCABULARY, 5)
    options = ["--ids", "--max-new-tokens", 5]
    done = run(daemon, "generate", "--stream", *options, "1 2 3")
    assert done.stdout.decode().split() == [str(i) for i in wanted]
    one = lines(run(daemon, "generate", *options, "1 2 3"))[0]
    assert one["ids"] == wanted and "text" not in one
    score = lines(run(daemon, "score", "--ids", "1 2 3"))[0]
    assert len(score["logprobs"]) == 3 and "tokens" not in score


def start(daemon, *arguments, stdout=subprocess.PIPE):
    return subprocess.Popen(
        [program("ferry"), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=private_environment(daemon.folder, {"FERRY_ENDPOINT": daemon.endpoint}),
    )


def decoding(daemon):
    with daemon.client() as raw:
        return raw.ok({"op": "status"})["server"]["models"][0]


def wait_until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("options", [["--stream"], []])
def test_an_interrupt_cancels_at_the_daemon(slow_daemon, options):
    process = start(slow_daemon, "generate", *options, "--ignore-end", "--max-new-tokens", 110, "a")
    try:
        if options:
            assert process.stdout.read(1)
        wait_until(lambda: decoding(slow_daemon)["decode_running"] == 1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait(10)
    assert process.returncode == INTERRUPTED, errors.decode()
    wait_until(lambda: decoding(slow_daemon)["decode_running"] == 0, 1)
    assert decoding(slow_daemon)["decode_new_tokens"] < 100


def test_text_comes_token_by_token(slow_daemon):
    process = start(
        slow_daemon, "generate", "--stream", "--max-new-tokens", 60, "--ignore-end", "a"
    )
    begin = time.monotonic()
    try:
        assert process.stdout.read(1)
        first = time.monotonic() - begin
        rest = process.stdout.read()
        whole = time.monotonic() - begin
    finally:
        process.communicate(timeout=30)
    assert process.returncode == 0 and rest.endswith(b"\n")
    assert first < whole / 2


def test_control_characters_do_not_reach_a_terminal(scratch, start_daemon):
    daemon = start_daemon([make_fake_decoder(scratch / "cli-terminal")])
    ours, theirs = pty.openpty()
    process = start(daemon, "generate", "--stream", "--max-new-tokens", 100, "a", stdout=theirs)
    try:
        _, errors = process.communicate(timeout=30)
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # what a terminal says when the other end is closed
                break
    finally:
        os.close(ours)
    assert process.returncode == 0, errors.decode()
    text = as_text(continued("a", 100))
    assert any(ord(letter) < 32 and letter not in "\n\t\r" for letter in text), "the test tests"
    shown = shown.decode().replace("\r\n", "\n")
    assert all(ord(letter) >= 32 or letter in "\n\t" for letter in shown)
    assert len(shown) == len(text) + 1


def test_status_tells_what_is_decoded(daemon):
    run(daemon, "generate", "--max-new-tokens", 5, "a")
    text = run(daemon, "status").stdout.decode()
    assert f"task        generate, vocabulary of {DECODE_VOCABULARY} ids" in text
    assert "decoding    0 sequences, 0 wait" in text and " new tokens in " in text


def test_help_names_the_commands(daemon):
    text = run(daemon, "--help").stdout.decode()
    for command in ("score", "next", "generate", "detokenize"):
        assert f"\n  {command} " in text
        assert "--connect" in run(daemon, command, "--help").stdout.decode()
