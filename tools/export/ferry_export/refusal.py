"""What the exporter says when it cannot go on, with an exit code from sysexits(3)."""

import os

USAGE = os.EX_USAGE  # 64: the command line is wrong
BAD_DATA = os.EX_DATAERR  # 65: the model is not one that ferry can run
NO_INPUT = os.EX_NOINPUT  # 66: a model or one of its files is not there
UNAVAILABLE = os.EX_UNAVAILABLE  # 69: a package is missing, or the hub does not answer
INTERNAL = os.EX_SOFTWARE  # 70
CANNOT_CREATE = os.EX_CANTCREAT  # 73: the output exists already, or its place is not writable
IO_ERROR = os.EX_IOERR  # 74


class Refusal(Exception):
    """Carries the reason, in words for the user, and the exit code."""

    def __init__(self, exit_code: int, reason: str):
        super().__init__(reason)
        self.exit_code = exit_code
        self.reason = reason
