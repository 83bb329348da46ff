"""Talks to the program tokenizer_driver, which calls libferry_tokenizer. See tokenizer_driver.c."""

import os
import pathlib
import struct
import subprocess
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", ROOT / "build"))

STATUS_NAMES = (
    "OK BAD_REQUEST UNSUPPORTED TOO_LARGE NOT_FOUND BUSY DEADLINE CANCELLED INVALID_INPUT TOO_LONG "
    "OUT_OF_MEMORY ENGINE DEVICE_LOST SHUTTING_DOWN UNAUTHORIZED INTERNAL UNAVAILABLE TIMEOUT IO "
    "NO_INPUT BAD_DATA CONFIG USAGE PERMISSION"
).split()
STRATEGIES = ("longest_first", "only_first", "only_second")
SIDES = ("right", "left")
OFFSETS = ("none", "bytes", "characters")
_SPECIAL, _AS_TEXT, _WINDOWS, _PAIR, _FRESH = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Options:
    max_tokens: int = 0
    stride: int = 0
    strategy: str = "longest_first"
    side: str = "right"
    offsets: str = "characters"
    special: bool = True
    special_as_text: bool = False
    windows: bool = False
    fresh_session: bool = False


@dataclass
class Window:
    """The arrays stay bytes: that is what they are compared as."""

    count: int
    truncated: bool
    ids: bytes
    type_ids: bytes
    special_mask: bytes
    offsets: bytes | None


@dataclass
class Answer:
    status: str
    error: str
    read: tuple = ()
    windows: list = field(default_factory=list)


@dataclass
class Loaded:
    status: str
    error: str
    id_bound: int = 0
    pad_id: int = 0
    added_single: int = 0
    added_pair: int = 0


class DriverDied(Exception):
    """The C side crashed: always a bug of the tokenizer (or of the driver)."""


def _bytes(data):
    return struct.pack("<I", len(data)) + data


def _utf8(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def numbers(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def raw(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def status(self):
        status, size = self.numbers("<iI")
        return STATUS_NAMES[status], self.raw(size).decode("utf-8", "backslashreplace")


class TokenizerDriver:
    def __init__(self, program=None):
        self.program = program or BUILD / "tokenizer_driver"
        if not pathlib.Path(self.program).exists():
            raise FileNotFoundError(
                f"{self.program} is not there: build the target tokenizer_driver, and set "
                "FERRY_BUILD_DIR if the build folder is not build/"
            )
        self.loaded_paths = {}
        self._start()

    def _start(self):
        environment = dict(os.environ, ASAN_OPTIONS="abort_on_error=1")
        self.process = subprocess.Popen(
            [self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def close(self):
        """Ends the program; a leak that a sanitizer finds then is an error."""
        self.process.stdin.close()
        self.process.stdout.close()
        code = self.process.wait(timeout=60)
        if code != 0:
            raise DriverDied(f"tokenizer_driver ended with {code}")

    def _exchange(self, commands):
        batch = b"".join(commands)
        try:
            self.process.stdin.write(struct.pack("<Q", len(batch)) + batch)
            self.process.stdin.flush()
            header = self.process.stdout.read(8)
            if len(header) == 8:
                size = struct.unpack("<Q", header)[0]
                answer = self.process.stdout.read(size)
                if len(answer) == size:
                    return _Reader(answer)
        except BrokenPipeError:
            pass
        code = self.process.wait()
        raise DriverDied(f"tokenizer_driver died with {code} during a batch of {len(commands)}")

    def _load_command(self, slot, path, overrides):
        return b"L" + struct.pack("<4iI", *overrides, slot) + _bytes(os.fsencode(path))

    def load(self, slot, path, overrides=(-1, -1, -1, -1)):
        """overrides: lowercase, strip_accents, clean_text, handle_chinese_chars."""
        reader = self._exchange([self._load_command(slot, path, overrides)])
        status, error = reader.status()
        if status != "OK":
            return Loaded(status, error)
        self.loaded_paths[slot] = (path, overrides)
        return Loaded(status, error, *reader.numbers("<iiII"))

    def restart(self):
        """After a crash: a new process with the same tokenizers loaded."""
        self._start()
        for slot, (path, overrides) in self.loaded_paths.items():
            self._exchange([self._load_command(slot, path, overrides)])

    @staticmethod
    def _encode_command(slot, text, pair, options):
        flags = (
            _SPECIAL * options.special
            | _AS_TEXT * options.special_as_text
            | _WINDOWS * options.windows
            | _PAIR * (pair is not None)
            | _FRESH * options.fresh_session
        )
        head = struct.pack(
            "<cIIIBBBB",
            b"E",
            slot,
            options.max_tokens,
            options.stride,
            STRATEGIES.index(options.strategy),
            SIDES.index(options.side),
            OFFSETS.index(options.offsets),
            flags,
        )
        command = head + _bytes(_utf8(text))
        return command if pair is None else command + _bytes(_utf8(pair))

    @staticmethod
    def _read_answer(reader):
        status, error = reader.status()
        if status != "OK":
            return Answer(status, error)
        read_text, read_pair, count = reader.numbers("<QQI")
        windows = []
        for _ in range(count):
            tokens, truncated = reader.numbers("<IB")
            ids = reader.raw(4 * tokens)
            type_ids = reader.raw(tokens)
            mask = reader.raw(tokens)
            has_offsets = reader.raw(1)[0]
            offsets = reader.raw(8 * tokens) if has_offsets else None
            windows.append(Window(tokens, bool(truncated), ids, type_ids, mask, offsets))
        return Answer(status, error, (read_text, read_pair), windows)

    def encode(self, slot, cases, options):
        """cases: texts, or (text, pair) tuples. str or bytes."""
        commands = []
        for case in cases:
            text, pair = case if isinstance(case, tuple) else (case, None)
            commands.append(self._encode_command(slot, text, pair, options))
        reader = self._exchange(commands)
        return [self._read_answer(reader) for _ in commands]

    def stream(self, slot, rows, skip_special_tokens):
        """As decode, but token by token."""
        return self.decode(slot, rows, skip_special_tokens, b"S")

    def split(self, slot, texts):
        """The sizes in bytes of each text's pre-tokens, a space put before the first included."""
        reader = self._exchange([struct.pack("<cI", b"P", slot) + _bytes(_utf8(t)) for t in texts])
        results = []
        for _ in texts:
            count = reader.numbers("<I")[0]
            results.append(list(reader.numbers(f"<{count}I")))
        return results

    def decode(self, slot, rows, skip_special_tokens, command=b"D"):
        commands = [
            struct.pack("<cIB", command, slot, skip_special_tokens)
            + _bytes(struct.pack(f"<{len(ids)}i", *ids))
            for ids in rows
        ]
        reader = self._exchange(commands)
        results = []
        for _ in commands:
            status, error = reader.status()
            text = reader.raw(reader.numbers("<I")[0]).decode() if status == "OK" else None
            results.append((status, text if status == "OK" else error))
        return results

    def trim(self, slot, keep_bytes):
        """Gives back the session's working memory; the resident bytes of the process after it."""
        return self._exchange([struct.pack("<cII", b"M", slot, keep_bytes)]).numbers("<Q")[0]

    def tokens(self, slot, ids):
        """(exists, text, id of that text) for each id."""
        reader = self._exchange([struct.pack("<cIi", b"T", slot, i) for i in ids])
        results = []
        for _ in ids:
            exists, size = reader.numbers("<BI")
            text = reader.raw(size).decode()
            results.append((bool(exists), text, reader.numbers("<i")[0]))
        return results
