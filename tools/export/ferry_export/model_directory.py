"""Writes a model directory as a whole or not at all."""

import contextlib
import ctypes
import hashlib
import os
import pathlib
import shutil
import tempfile

from .refusal import CANNOT_CREATE, IO_ERROR, Refusal

MANIFEST_NAME = "ferry.json"
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def check_target(target: pathlib.Path, overwrite: bool) -> None:
    """Raises Refusal for a place that the result could not go to."""
    if not target.exists():
        return
    if not target.is_dir():
        raise Refusal(CANNOT_CREATE, f"{target}: is there already and is not a directory")
    if not any(target.iterdir()):
        return
    if not (target / MANIFEST_NAME).exists():
        raise Refusal(CANNOT_CREATE, f"{target}: is not empty and is not a model directory")
    if not overwrite:
        raise Refusal(CANNOT_CREATE, f"{target}: is there already; --overwrite replaces it")


@contextlib.contextmanager
def replacing(target: pathlib.Path, overwrite: bool):
    """A folder beside the target that takes its place when the block ends well."""
    check_target(target, overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise Refusal(CANNOT_CREATE, f"{target.parent}: {error.strerror}") from None
    try:
        yield draft
        draft.chmod(0o777 & ~current_umask())
        synchronize(draft)
        put_in_place(draft, target)
    except OSError as error:
        raise Refusal(
            IO_ERROR, f"{target}: {error.strerror or error}; nothing was written"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def synchronize(folder: pathlib.Path) -> None:
    """Data before names: after a power cut the directory is whole or not there."""
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put_in_place(draft: pathlib.Path, target: pathlib.Path) -> None:
    """rename(2) takes an empty directory away by itself; a full one is exchanged in one step."""
    if target.exists() and any(target.iterdir()):
        exchange(draft, target)
    else:
        os.rename(draft, target)


def exchange(draft: pathlib.Path, target: pathlib.Path) -> None:
    """Swaps two directories; afterwards the old one bears the draft's name."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(draft), os.fsencode(target))
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0:
        return
    # A filesystem that cannot exchange: two steps, with a moment between them.
    aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.rename(target, aside)
    try:
        os.rename(draft, target)
    except BaseException:  # a signal as well: without its old place the model would be lost
        os.rename(aside, target)
        raise
    os.rename(aside, draft)


def file_facts(path: pathlib.Path) -> dict:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"sha256": digest.hexdigest(), "bytes": path.stat().st_size}
