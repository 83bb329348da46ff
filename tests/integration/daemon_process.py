"""Starts and stops a real ferryd on a private socket, and says what went wrong when it does not."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from raw_protocol import RawClient

SOURCE_DIR = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("FERRY_BUILD_DIR", SOURCE_DIR / "build")).resolve()
SANITIZER_TEXT = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|AddressSanitizer:DEADLYSIGNAL"
)
# A sanitized daemon is several times slower to start and to stop.
START_SECONDS = 120.0
STOP_SECONDS = 60.0


class DaemonFailed(AssertionError):
    """ferryd did not start, did not stop, or ended in another way than it should."""


def program(name):
    """The path of a built program; an error, never a skip, when it has not been built."""
    path = BUILD_DIR / name
    if not path.exists():
        raise DaemonFailed(f"{path} is not there: build it first, or set FERRY_BUILD_DIR")
    return path


def private_environment(folder, extra=None):
    """The caller's environment without anything that would lead ferry to another daemon."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FERRY_")}
    environment["XDG_RUNTIME_DIR"] = str(folder)
    sanitizer = f"abort_on_error=1:log_path={folder}/sanitizer"
    # A small quarantine: tests look at how memory grows.
    environment["ASAN_OPTIONS"] = f"{sanitizer}:detect_leaks=1:quarantine_size_mb=1"
    environment["UBSAN_OPTIONS"] = f"{sanitizer}:print_stacktrace=1"
    suppressions = SOURCE_DIR / "tests" / "thread-sanitizer.supp"
    environment["TSAN_OPTIONS"] = f"{sanitizer}:halt_on_error=1:suppressions={suppressions}"
    environment.update(extra or {})
    return environment


class Daemon:
    """One ferryd process. Use as a context manager, or call start and stop.

    endpoint may be given to bind the same one again after a restart. The folder is short, because a
    Unix socket path must fit in 107 bytes, which pytest's own temporary folders may exceed.
    """

    def __init__(self, models, arguments=(), endpoint=None, environment=None):
        self.folder = Path(tempfile.mkdtemp(prefix="ferry-test-", dir="/tmp"))
        self.endpoint = endpoint or f"ipc://{self.folder}/ferry.sock"
        self.models = [str(model) for model in models]
        self.arguments = [str(argument) for argument in arguments]
        self.environment = environment
        self.log_path = self.folder / "ferryd.log"
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
        finally:
            self.remove()

    def command(self):
        line = [str(program("ferryd")), "serve", "--listen", self.endpoint]
        for model in self.models:
            line += ["--model", model]
        return line + self.arguments

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=private_environment(self.folder, self.environment),
            )
        return self

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self, seconds=START_SECONDS):
        end = time.monotonic() + seconds
        with RawClient(self.endpoint) as client:
            while time.monotonic() < end:
                if self.process.poll() is not None:
                    raise DaemonFailed(
                        f"ferryd ended with {self.process.returncode}:\n{self.log()}"
                    )
                reply = client.call_or_none({"op": "ping"}, timeout=0.25)
                if reply is not None and reply["status"] == "OK":
                    return
        self.kill()
        raise DaemonFailed(f"ferryd was not ready within {seconds} s:\n{self.log()}")

    def client(self, **options):
        return RawClient(self.endpoint, **options)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)

    def stop(self, expected_exit=0):
        """SIGTERM, a bounded wait, and the demand that the end was a clean one."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.terminate()
        self.expect_exit(expected_exit)

    def expect_exit(self, expected_exit, seconds=STOP_SECONDS):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonFailed(f"ferryd did not end within {seconds} s:\n{self.log()}") from None
        self.assert_no_sanitizer_output()
        if self.process.returncode != expected_exit:
            raise DaemonFailed(
                f"ferryd ended with {self.process.returncode}, not {expected_exit}:\n{self.log()}"
            )

    def assert_no_sanitizer_output(self):
        reports = [path.read_text(errors="replace") for path in self.folder.glob("sanitizer.*")]
        if SANITIZER_TEXT.search(self.log()):
            reports.append(self.log())
        if reports:
            raise DaemonFailed("a sanitizer reported:\n" + "\n".join(reports))

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_until_exit(models, arguments=(), seconds=START_SECONDS):
    """Runs a ferryd that is expected to refuse to start. Returns its exit code and its log."""
    daemon = Daemon(models, arguments)
    try:
        daemon.spawn()
        try:
            daemon.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DaemonFailed(
                f"ferryd kept running instead of refusing:\n{daemon.log()}"
            ) from None
        daemon.assert_no_sanitizer_output()
        return daemon.process.returncode, daemon.log()
    finally:
        daemon.remove()
