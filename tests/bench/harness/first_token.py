"""How long a short prompt waits for its first token while long prompts keep the model busy.

A step is the time between two tokens of a stream that runs all the while: what every running stream
waits for its next token. The target: 99 of 100 short prompts have their first token within three
such steps and the time that the prompt takes alone.
"""

import random
import threading
import time

from daemon_process import Daemon
from harness.gpt2_model import VOCABULARY, random_gpt2
from raw_protocol import decode

LOAD_CLIENTS = 4
LONG_PROMPT = (600, 900)
SHORT_PROMPT = 8
SAMPLES = 200
ROUNDS = 1


def prompt(generator, count):
    return [generator.randrange(VOCABULARY) for _ in range(count)]


def keep_busy(daemon, number, stop):
    """Long prompts with a few new tokens each, one after another."""
    generator = random.Random(number)
    with daemon.client(timeout=300) as client:
        while not stop.is_set():
            ids = prompt(generator, generator.randint(*LONG_PROMPT))
            client.ok(
                {"op": "generate", "ids": [ids], "max_new_tokens": 8, "priority": "interactive"}
            )


def watch_steps(daemon, gaps, stop):
    """The time between two tokens of one stream."""
    generator = random.Random(99)
    with daemon.client(timeout=300) as client:
        while not stop.is_set():
            fields = {"op": "generate", "ids": [prompt(generator, 4)], "max_new_tokens": 200}
            client.send({**fields, "stream": True, "ignore_end": True})
            last = None
            while True:
                message = decode(client.receive_body_or_none(300))
                now = time.monotonic()
                if "status" in message:
                    break
                if last is not None:
                    gaps.append(now - last)
                last = now


def first_token(client, generator):
    fields = {"op": "generate", "ids": [prompt(generator, SHORT_PROMPT)], "max_new_tokens": 1}
    began = time.monotonic()
    client.ok(fields)
    return time.monotonic() - began


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(quick, rounds=None):
    samples = 10 if quick else SAMPLES
    generator = random.Random(5)
    with Daemon([random_gpt2()], ["--log-level", "warning"]) as daemon:
        with daemon.client(timeout=300) as client:
            alone = [first_token(client, generator) for _ in range(20)]
            stop, gaps, firsts = threading.Event(), [], []
            threads = [
                threading.Thread(target=keep_busy, args=(daemon, i, stop))
                for i in range(LOAD_CLIENTS)
            ]
            threads.append(threading.Thread(target=watch_steps, args=(daemon, gaps, stop)))
            for thread in threads:
                thread.start()
            time.sleep(2 if quick else 10)
            gaps.clear()
            for _ in range(samples):
                firsts.append(first_token(client, generator))
                time.sleep(generator.random() * 0.1)
            steps = list(gaps)
            stop.set()
            for thread in threads:
                thread.join(300)
    step, own = percentile(steps, 0.5), percentile(alone, 0.5)
    limit = 3 * step + own
    p99 = percentile(firsts, 0.99)
    return {
        "rounds": ROUNDS,
        "samples": samples,
        "step_ms": step * 1e3,
        "step_p99_ms": percentile(steps, 0.99) * 1e3,
        "alone_ms": own * 1e3,
        "p50_ms": percentile(firsts, 0.5) * 1e3,
        "p99_ms": p99 * 1e3,
        "limit_ms": limit * 1e3,
        "in_steps": (p99 - own) / step,
        "met": p99 <= limit,
    }
