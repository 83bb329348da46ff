"""Starts row_runner.py and ends it when it takes too long."""

import json
import pathlib
import selectors
import subprocess
import sys
import tempfile
import time

from .refusal import BAD_DATA, INTERNAL, Refusal

RUNNER = pathlib.Path(__file__).with_name("row_runner.py")
SECONDS_TO_START = 300  # to import torch and read the file; a busy machine is slow
LAST_WORDS = 2000


def run_rows(model: pathlib.Path, inputs, index: int, rows, limit: float, describe) -> list[dict]:
    """An answer for each row. describe(row): in words, for the row that does not end."""
    job = {"model": str(model), "inputs": inputs, "output_index": index, "rows": rows}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, str(RUNNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the exporter, which ends it
        )
        try:
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
            return read_answers(process, rows, limit, describe, errors)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def read_answers(process, rows, limit: float, describe, errors) -> list[dict]:
    lines = Lines(process.stdout)
    if lines.next(time.monotonic() + SECONDS_TO_START) is None:
        raise Refusal(INTERNAL, f"the model does not start to run{last_words(process, errors)}")
    answers, deadline = [], time.monotonic() + limit
    for row in rows:
        line = lines.next(deadline)
        if line is None and process.poll() is None and time.monotonic() >= deadline:
            raise Refusal(
                BAD_DATA,
                f"the model does not end within {limit:g} s (--time-limit) at {describe(row)}: its "
                "loop has to stop after n tokens, whatever it draws",
            )
        if line is None:
            raise Refusal(
                BAD_DATA,
                f"the model ends its process at {describe(row)}{last_words(process, errors)}",
            )
        answers.append(json.loads(line))
    return answers


class Lines:
    """Lines of a pipe, each with a deadline."""

    def __init__(self, pipe):
        self.pipe, self.held = pipe, b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(pipe, selectors.EVENT_READ)

    def next(self, deadline: float) -> bytes | None:
        """None at the deadline, and at the end of the process."""
        while b"\n" not in self.held:
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                return None
            content = self.pipe.read1(65536)
            if not content:
                return None
            self.held += content
        line, _, self.held = self.held.partition(b"\n")
        return line


def last_words(process, errors) -> str:
    process.kill()
    process.wait()
    errors.seek(0)
    text = errors.read().decode(errors="replace").strip()
    return f" (exit code {process.returncode})" + (f":\n{text[-LAST_WORDS:]}" if text else "")
