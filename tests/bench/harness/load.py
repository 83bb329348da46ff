"""Request files for the load generators, and their runs."""

import json
import struct
import subprocess
from statistics import median

import msgpack

from daemon_process import program


def write_frames(path, frames):
    with open(path, "wb") as file:
        for frame in frames:
            file.write(struct.pack("<I", len(frame)) + frame)
    return path


def embed_body(number, texts):
    return msgpack.packb({"v": 1, "op": "embed", "id": number, "texts": texts})


def http_request(path, body, content_type):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run_load(generator, endpoint, frames, requests, expect, clients=1, in_flight=1, warm_up=0):
    """One run of zmq_load or http_load; its JSON."""
    command = [program(generator), "--endpoint", endpoint, "--frames", frames, "--expect", expect]
    for name, value in (
        ("clients", clients), ("in-flight", in_flight), ("requests", requests), ("warm-up", warm_up),
    ):  # fmt: skip
        command += [f"--{name}", str(value)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=400)
    if result.returncode != 0:
        raise RuntimeError(f"{generator} failed: {result.stderr}")
    return json.loads(result.stdout)


def middle(rounds, key):
    return median(r[key] for r in rounds)


def middle_ratio(rounds, other_rounds, key):
    """The median over rounds of a ratio within one round: both sides saw the same machine."""
    return median(r[key] / o[key] for r, o in zip(rounds, other_rounds))
