"""Fixtures of the tests that talk to a real ferryd. See tests/README.md.

FERRY_BUILD_DIR chooses the build (default: build/). Tests marked torch need libferry_torch.so in
it and models/minilm; leave them out with -m "not torch", as the sanitizer runs do.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from daemon_process import Daemon, program  # noqa: E402
from model_folders import make_fake, make_fake_decoder, minilm  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "torch: needs libferry_torch.so and models/minilm")


@pytest.fixture(scope="session")
def scratch():
    """A short folder for the whole session: socket paths in it fit in 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ferry-models-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def fake_model(scratch):
    """The directory of a fake model: width 384, deterministic rows, no delay."""
    return make_fake(scratch / "fake")


@pytest.fixture(scope="session")
def decoder(scratch):
    """The directory of a fake model that continues texts."""
    return make_fake_decoder(scratch / "decoder")


@pytest.fixture(scope="session")
def slow(scratch):
    """3 ms a step, a small cache: room for 20 blocks of 8 positions, 8 sequences."""
    script = "step_us=3000 block_tokens=8 blocks=20 max_sequences=8"
    return make_fake_decoder(scratch / "slow-decoder", name="slow", script=script)


@pytest.fixture(scope="session")
def minilm_model():
    """The directory of the exported all-MiniLM-L6-v2."""
    program("libferry_torch.so")
    return minilm()


@pytest.fixture(scope="module")
def daemon(fake_model):
    """A ferryd with the fake model, shared by the tests of one file."""
    with Daemon([fake_model]) as running:
        yield running


@pytest.fixture(scope="session")
def torch_daemon(minilm_model):
    """A ferryd with the real model, shared by all tests."""
    with Daemon([minilm_model]) as running:
        yield running


@pytest.fixture
def client(daemon):
    with daemon.client() as raw:
        yield raw


@pytest.fixture
def torch_client(torch_daemon):
    with torch_daemon.client(timeout=300) as raw:
        yield raw


@pytest.fixture
def start_daemon():
    """Function that starts a ferryd for one test; each is stopped, cleanly, at its end."""
    started = []

    def start(models, arguments=(), **options):
        running = Daemon(models, arguments, **options)
        started.append(running)
        return running.start()

    yield start
    try:
        for running in started:
            running.stop()
    finally:
        for running in started:
            running.remove()
