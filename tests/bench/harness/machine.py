"""What a figure depends on besides ferry: the machine and the versions."""

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from daemon_process import SOURCE_DIR


def processor():
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def commit():
    def git(*arguments):
        result = subprocess.run(
            ["git", "-C", str(SOURCE_DIR), *arguments], capture_output=True, text=True
        )
        return result.stdout.strip()

    # Results of an earlier run are no change of what is measured.
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!docs")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe():
    packages = (
        "torch",
        "sentence-transformers",
        "transformers",
        "mosec",
        "litserve",
        "ctranslate2",
    )
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in packages},
    }
