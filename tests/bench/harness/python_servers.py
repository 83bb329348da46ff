"""ferry against Python servers of the same model: LitServe and mosec with sentence-transformers.

Every server has the machine for itself while it is measured; the others are stopped (SIGSTOP). Each
gets the same texts, one a request, from 1, 8 and 64 clients that wait for their answer before they
send again. The Python servers answer raw floats, batch up to 64 texts, and let
sentence-transformers sort them by length into inner batches; the generators are C programs.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sample_texts
from daemon_process import SOURCE_DIR, Daemon, program
from harness.load import embed_body, http_request, middle, middle_ratio, run_load, write_frames
from model_folders import bert_folder, minilm

ROUNDS = 3
CLIENTS = {1: 80, 8: 320, 64: 960}  # clients: requests of a round
SERVERS = SOURCE_DIR / "tests" / "bench" / "servers"
START_SECONDS = 120
LIMIT = 1.5
MKL_PATH = " + MKL path"  # the name of a server that runs with it


class FerryServer:
    name, generator, expect = "ferry", "zmq_load", "OK"

    def __init__(self, folder, texts):
        self.daemon = Daemon([minilm()], ["--log-level", "warning"]).start()
        self.endpoint, self.group = self.daemon.endpoint, None
        self.frames = write_frames(
            folder / "ferry.frames", [embed_body(i, [t]) for i, t in enumerate(texts)]
        )

    def signal(self, number):
        self.daemon.process.send_signal(number)

    def close(self):
        self.daemon.stop()
        self.daemon.remove()


class PythonServer:
    """A server in a process group of its own."""

    generator, expect = "http_load", "200 OK"

    def __init__(self, program_name, folder, frames, arguments=(), mkl_path=False):
        self.name = program_name + (MKL_PATH if mkl_path else "")
        self.frames = frames
        port = free_port()
        self.endpoint = f"tcp://127.0.0.1:{port}"
        workers = len(os.sched_getaffinity(0))
        environment = {
            **os.environ, "BENCH_MODEL": str(bert_folder()), "BENCH_WORKERS": str(workers),
            "BENCH_THREADS": "1", "BENCH_BATCH": "64", "BENCH_WAIT_MS": "5", "BENCH_PORT": str(port),
            "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        if mkl_path:
            environment["LD_PRELOAD"] = str(program("libferry_mkl_intel_path.so"))
        arguments = [a.format(port=port) for a in arguments]
        log_path = folder / f"{self.name}.log"
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, SERVERS / f"{program_name}_server.py", *arguments],
                env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True,
            )  # fmt: skip
        self.wait_ready(log_path)

    def wait_ready(self, log):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                return run_load(self.generator, self.endpoint, self.frames, 4, self.expect)
            except RuntimeError:
                time.sleep(1)
        self.close()
        raise RuntimeError(f"{self.name} did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def close(self):
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            try:
                self.signal(number)
            except ProcessLookupError:
                return
            if number == signal.SIGTERM:
                time.sleep(2)
        self.process.wait(10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_all(folder, texts):
    plain = [http_request("/inference", text.encode(), "text/plain") for text in texts]
    as_json = [
        http_request("/predict", json.dumps({"text": text}).encode(), "application/json")
        for text in texts
    ]
    servers = [FerryServer(folder, texts)]
    try:
        mosec_arguments = ["--address", "127.0.0.1", "--port", "{port}", "--timeout", "120000"]
        frames = write_frames(folder / "mosec.frames", plain)
        servers.append(PythonServer("mosec", folder, frames, mosec_arguments))
        frames = write_frames(folder / "litserve.frames", as_json)
        servers.append(PythonServer("litserve", folder, frames))
        servers.append(PythonServer("litserve", folder, frames, mkl_path=True))
    except BaseException:
        close_all(servers)
        raise
    return servers


def close_all(servers):
    for server in servers:
        server.signal(signal.SIGCONT)
        server.close()


def measure(quick, rounds=None):
    folder = Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/tmp"))
    try:
        return measure_in(folder, 0.1 if quick else 1.0, rounds or (1 if quick else ROUNDS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_in(folder, scale, rounds):
    texts = random.Random(13).sample(sample_texts.english(), 1000)
    servers = start_all(folder, texts)
    results = {server.name: {clients: [] for clients in CLIENTS} for server in servers}
    try:
        for server in servers:
            server.signal(signal.SIGSTOP)
        for _ in range(rounds):
            for clients, requests in CLIENTS.items():
                for server in servers:
                    count = max(2 * clients, int(requests * scale))
                    results[server.name][clients].append(measure_one(server, clients, count))
    finally:
        close_all(servers)
    return {"texts": len(texts), "rounds": rounds, "limit": LIMIT, **summary(results)}


def measure_one(server, clients, requests):
    server.signal(signal.SIGCONT)
    try:
        return run_load(
            server.generator, server.endpoint, server.frames, requests, server.expect,
            clients=clients, warm_up=2 * clients + 8,
        )  # fmt: skip
    finally:
        server.signal(signal.SIGSTOP)


def summary(results):
    rows, ratios = [], []
    for clients in CLIENTS:
        for name, by_clients in results.items():
            rounds = by_clients[clients]
            keys = ("requests_per_s", "p50_us", "p99_us")
            rows.append(
                {"server": name, "clients": clients, **{k: middle(rounds, k) for k in keys}}
            )
            if name != "ferry":
                ratio = middle_ratio(results["ferry"][clients], rounds, "requests_per_s")
                ratios.append({"server": name, "clients": clients, "ratio": ratio})

    # The hardest comparison: ferry's best against the best of all Python figures, whatever number
    # of clients gave them; first as these servers are installed, then with the same MKL path.
    def best(belongs):
        return max(row["requests_per_s"] for row in rows if belongs(row["server"]))

    ferry = best(lambda name: name == "ferry")
    ratio = ferry / best(lambda name: name != "ferry" and MKL_PATH not in name)
    return {"rows": rows, "ratios": ratios, "ratio": ratio, "met": ratio >= LIMIT,
            "ratio_with_mkl_path": ferry / best(lambda name: MKL_PATH in name),
            "all_rounds": results}  # fmt: skip
