"""Where daemon and clients meet when nobody names an endpoint; the same rule as ferryd's."""

from __future__ import annotations

import os
import stat

from .errors import Unauthorized


def default_endpoint() -> str:
    """$FERRY_ENDPOINT, else ipc:///run/ferry/ferry.sock for root and the systemd service, else
    ipc://$XDG_RUNTIME_DIR/ferry.sock, else ipc:///tmp/ferry-UID/ferry.sock."""
    named = os.environ.get("FERRY_ENDPOINT")
    if named:
        return named
    if os.geteuid() == 0 or os.environ.get("RUNTIME_DIRECTORY"):
        return "ipc:///run/ferry/ferry.sock"
    runtime_folder = os.environ.get("XDG_RUNTIME_DIR")
    if runtime_folder:
        return f"ipc://{runtime_folder}/ferry.sock"
    folder = f"/tmp/ferry-{os.geteuid()}"
    _check_folder(folder)
    return f"ipc://{folder}/ferry.sock"


def _check_folder(folder: str) -> None:
    """Everybody may write to /tmp: a folder that somebody else made there is not used."""
    try:
        entry = os.lstat(folder)
    except FileNotFoundError:
        return  # then nobody listens
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != os.geteuid() or entry.st_mode & 0o022:
        raise Unauthorized(
            f"{folder} is not a folder that only this user can write to: somebody else may have "
            "made it; remove it or set FERRY_ENDPOINT"
        )
