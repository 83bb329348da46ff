"""Runs every example of docs/clients.md and compares what it prints with what the page says."""

import os
import re
import subprocess
import sys

import pytest

from daemon_process import BUILD_DIR, SOURCE_DIR, Daemon, private_environment, program
from model_folders import make_fake_decoder

PAGE = (SOURCE_DIR / "docs" / "clients.md").read_text()
BLOCK = re.compile(r"```(sh|python|c)\n(.*?)```\n(?:```text\n(.*?)```)?", re.S)
EXAMPLES = BLOCK.findall(PAGE)


@pytest.fixture(scope="module")
def daemon(fake_model, scratch):
    """A ferryd with the models that the page's examples ask for."""
    with Daemon([fake_model, make_fake_decoder(scratch / "docs-gpt2", name="gpt2")]) as running:
        yield running


def command_of(language, code, folder):
    if language == "sh":
        return ["bash", "-e", "-o", "pipefail", "-c", code]
    if language == "python":
        return [sys.executable, "-c", code]
    program("libferry_client.so")
    source, built = folder / "example.c", folder / "example"
    source.write_text(code)
    line = ["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE_DIR}", str(source)]
    line += ["-o", str(built), f"-L{BUILD_DIR}", "-lferry_client", f"-Wl,-rpath,{BUILD_DIR}"]
    if is_sanitized():
        line.append("-fsanitize=address,undefined")
    subprocess.run(line, check=True, timeout=60)
    return [str(built)]


def is_sanitized():
    return b"libasan" in subprocess.run(["ldd", program("ferry")], capture_output=True).stdout


def matches(expected, found):
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, found, re.S)


def test_the_page_has_examples_of_all_three():
    assert {language for language, _, _ in EXAMPLES} == {"sh", "python", "c"}
    assert PAGE.count("```") == 2 * len(re.findall(r"```\w+\n", PAGE))


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(daemon, tmp_path, number):
    language, code, expected = EXAMPLES[number]
    paths = {
        "FERRY_ENDPOINT": daemon.endpoint,
        "PATH": os.pathsep.join(
            [str(BUILD_DIR), os.path.dirname(sys.executable), os.environ["PATH"]]
        ),
        "PYTHONPATH": str(SOURCE_DIR / "clients" / "python"),
    }
    done = subprocess.run(
        command_of(language, code, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=private_environment(daemon.folder, paths),
    )
    assert done.returncode == 0, done.stderr
    assert matches(expected, done.stdout), f"expected:\n{expected}\nfound:\n{done.stdout}"
