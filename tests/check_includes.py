#!/usr/bin/env python3
"""Checks what the architecture forbids: who includes whom, who may see ZeroMQ and libtorch, what the
built programs are linked to, how long a file may be, and that every room says what it is for.

Usage: check_includes.py [BUILD_DIR]  — without a build the linkage is not looked at.
Prints one line a finding and exits with 1 when there is one.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINES_AT_MOST = 600
SOURCE_ENDINGS = (".c", ".h", ".cc", ".cpp", ".cu", ".cuh")
LENGTH_ENDINGS = (*SOURCE_ENDINGS, ".py", ".sh", ".cmake")

# Which rooms a room may include; every room may include itself. docs/architecture.md draws it.
ARROWS = {
    "base": (),
    "tokenizer": ("base",),
    "ipc": ("base",),
    "gpu": ("base",),
    "daemon": ("base", "tokenizer", "ipc", "gpu"),
    "clients": ("base", "ipc"),
}
# Within the daemon: what a sub-room may include of the others. main.c may include all.
DAEMON_ARROWS = {
    "schedule": ("tasks", "ops"),
    "tasks": ("ops",),
    "ops": (),
    "serve": ("schedule", "tasks", "ops"),
    "bulk": ("schedule", "tasks", "ops"),
}
# Of gpu/ the daemon sees the engine boundary alone, and of the tokenizer its public header.
DOORS = {"gpu": ("gpu/engine.h",), "tokenizer": ("tokenizer/ferry_tokenizer.h",)}
ZMQ_FILES = ("ipc/server_endpoint.c", "ipc/client_endpoint.c")
TORCH_FOLDERS = ("gpu/torch/", "gpu/packed/")
ROOMS = (*ARROWS, "tools", "tests", "scripts", "systemd", "docs")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
TORCH_HEADER = re.compile(r"(torch|ATen|c10|caffe2)/")


def tracked_files() -> list[str]:
    """Also what is new and not ignored: a finding should come before the commit."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(name for name in set(listed.stdout.splitlines()) if (ROOT / name).is_file())


def is_generated(text: str) -> bool:
    """Generated tables say so in their first lines."""
    return re.search(r"\b(generated|written) by tools/", text[:500], re.IGNORECASE) is not None


def sub_room(name: str) -> str | None:
    parts = name.split("/")
    return parts[1] if parts[0] == "daemon" and len(parts) > 2 else None


def forbidden_arrow(name: str, included: str) -> str | None:
    room, target = name.split("/")[0], included.split("/")[0]
    if room not in ARROWS or target not in ARROWS:
        return None
    if target != room and target not in ARROWS[room]:
        return f"{room} may not include {target}"
    if room == "daemon" and target in DOORS and included not in DOORS[target]:
        return f"of {target} the daemon includes {' and '.join(DOORS[target])} alone"
    here, there = sub_room(name), sub_room(included)
    if here and there and here != there and there not in DAEMON_ARROWS.get(here, ()):
        return f"daemon/{here} may not include daemon/{there}"
    return None


def forbidden_library(name: str, included: str) -> str | None:
    if included in ("zmq.h", "zmq.hpp", "czmq.h") and name not in ZMQ_FILES:
        return f"only {' and '.join(ZMQ_FILES)} include it"
    if TORCH_HEADER.match(included) and not name.startswith(TORCH_FOLDERS):
        return f"libtorch's headers stay in {' and '.join(TORCH_FOLDERS)}"
    return None


def is_relative(name: str, quote: str, included: str) -> bool:
    """Ours are written from the root of the project, so that a line says which room is meant."""
    return (
        quote == '"'
        and not (ROOT / included).exists()
        and (ROOT / name).parent.joinpath(included).exists()
    )


def check_source(name: str, text: str) -> list[str]:
    findings = []
    if name.startswith("tests/"):
        return findings  # tests may look everywhere
    for quote, included in INCLUDE.findall(text):
        reason = forbidden_arrow(name, included) or forbidden_library(name, included)
        if reason is None and is_relative(name, quote, included):
            reason = "written from the root of the project, please"
        if reason:
            findings.append(f"{name}: includes {included}: {reason}")
    return findings


def check_length(name: str, text: str) -> list[str]:
    lines = text.count("\n")
    if lines <= LINES_AT_MOST or is_generated(text):
        return []
    return [f"{name}: {lines} lines, at most {LINES_AT_MOST}"]


def check_unique_names(names: list[str]) -> list[str]:
    """A file name says what is inside; two of the same name would say nothing."""
    seen: dict[str, str] = {}
    findings = []
    for name in names:
        short = name.rsplit("/", 1)[-1]
        if name.endswith(SOURCE_ENDINGS) and not name.startswith("tests/") and short != "main.c":
            if short in seen:
                findings.append(f"{name}: has the same name as {seen[short]}")
            seen.setdefault(short, name)
    return findings


def check_readmes(names: list[str]) -> list[str]:
    present = {name.split("/")[0] for name in names if "/" in name}
    return [
        f"{room}/README.md: missing; every room says what it is for, owns and never does"
        for room in ROOMS
        if room in present and f"{room}/README.md" not in names
    ]


def needed_libraries(path: pathlib.Path) -> list[str]:
    listed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", listed.stdout)


def check_linkage(build: pathlib.Path) -> list[str]:
    """ferryd is pure C and starts in milliseconds: libtorch is opened when a model needs it."""
    findings = []
    for program in ("ferryd", "ferry", "libferry_torch.so"):
        path = build / program
        if not path.exists():
            findings.append(f"{path}: not built")
            continue
        for library in needed_libraries(path):
            if re.match(r"lib(torch|c10|caffe2|cudart|cuda|stdc\+\+)", library):
                findings.append(f"{path}: is linked to {library}")
    return findings


def main() -> int:
    names = tracked_files()
    findings = check_unique_names(names) + check_readmes(names)
    for name in names:
        if not name.endswith(LENGTH_ENDINGS):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        findings += check_length(name, text)
        if name.endswith(SOURCE_ENDINGS):
            findings += check_source(name, text)
    if len(sys.argv) > 1:
        findings += check_linkage(pathlib.Path(sys.argv[1]))
    print("\n".join(findings) if findings else f"{len(names)} files in order")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
