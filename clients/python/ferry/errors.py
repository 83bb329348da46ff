"""One exception class for each status of the protocol, and the client's own."""

from __future__ import annotations

from typing import Optional


class FerryError(Exception):
    """Base of all. status: the protocol's name, for instance "BUSY"; index: the text at fault, or
    None when the whole request failed."""

    status = "INTERNAL"

    def __init__(self, message: str = "", *, index: Optional[int] = None) -> None:
        super().__init__(message)
        self.message = message
        self.index = index

    def __str__(self) -> str:
        where = "" if self.index is None else f"text {self.index}: "
        return f"{self.status}: {where}{self.message}"


class BadRequest(FerryError):
    """The daemon did not understand the request."""

    status = "BAD_REQUEST"


class Unsupported(FerryError):
    """Understood, but not offered by this model or version."""

    status = "UNSUPPORTED"


class TooLarge(FerryError):
    """Over a stated limit."""

    status = "TOO_LARGE"


class NotFound(FerryError):
    """There is no such model."""

    status = "NOT_FOUND"


class Busy(FerryError):
    """The daemon's queue is full, also after several attempts."""

    status = "BUSY"
    retry_after: float = 0.0
    """The daemon's advice, in seconds."""


class DeadlineExceeded(FerryError, TimeoutError):
    """The daemon gave the request up because its deadline was over."""

    status = "DEADLINE"


class Cancelled(FerryError):
    """Given up by the caller, or by closing the client."""

    status = "CANCELLED"


class InvalidInput(FerryError, ValueError):
    """This text cannot be used: not Unicode, ids out of range."""

    status = "INVALID_INPUT"


class TooLong(FerryError, ValueError):
    """This text is too long and truncate is "error"."""

    status = "TOO_LONG"


class OutOfMemory(FerryError):
    """The daemon or its device ran out of memory."""

    status = "OUT_OF_MEMORY"


class EngineError(FerryError):
    """The model failed on this text."""

    status = "ENGINE"


class DeviceLost(FerryError):
    """The daemon's device broke down; the daemon restarts."""

    status = "DEVICE_LOST"


class ShuttingDown(FerryError):
    """The daemon is stopping."""

    status = "SHUTTING_DOWN"


class Unauthorized(FerryError, PermissionError):
    """Not allowed to use this daemon."""

    status = "UNAUTHORIZED"


class InternalError(FerryError):
    """A bug in ferry, or a status that this client does not know."""

    status = "INTERNAL"


class Unavailable(FerryError, ConnectionError):
    """Nobody answers at the endpoint."""

    status = "UNAVAILABLE"


class Timeout(FerryError, TimeoutError):
    """No reply within the deadline."""

    status = "TIMEOUT"


class BadData(FerryError):
    """What came back is not a reply of this protocol."""

    status = "BAD_DATA"


BY_STATUS = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unsupported,
        TooLarge,
        NotFound,
        Busy,
        DeadlineExceeded,
        Cancelled,
        InvalidInput,
        TooLong,
        OutOfMemory,
        EngineError,
        DeviceLost,
        ShuttingDown,
        Unauthorized,
        InternalError,
    )
}

# The same request may succeed when it is sent again.
RETRYABLE = frozenset({"BUSY", "OUT_OF_MEMORY", "DEVICE_LOST", "SHUTTING_DOWN"})


def error_of(
    status: str, message: str, *, index: Optional[int] = None, retry_after_ms: int = 0
) -> FerryError:
    """The exception for a status of the wire."""
    kind = BY_STATUS.get(status)
    if kind is None:
        return InternalError(f"unknown status {status}: {message}", index=index)
    error = kind(message, index=index)
    if isinstance(error, Busy):
        error.retry_after = retry_after_ms / 1000
    return error
