"""Compares ferry's tokenizer with the reference, Hugging Face tokenizers, text by text.

Where the reference has no sensible answer ferry's contract is checked instead:
- a limit below the number of special tokens: the reference then truncates nothing, so that the
  result is over the limit; ferry must say INVALID_INPUT;
- a limit of exactly the special tokens: ferry may say INVALID_INPUT, else it must be equal;
- windows of the reference that are over the limit (it keeps a text whole where a window has no room
  for any of it): ferry must say INVALID_INPUT;
- a stride that leaves no room: the reference raises or panics; ferry must say INVALID_INPUT where a
  text is cut into windows, and may be equal to stride 0 elsewhere (the stride then means nothing);
- a strategy that cannot shorten far enough: the reference raises; ferry must say TOO_LONG;
- added tokens that overlap once blanks are taken in: the reference sometimes panics ("bad split");
  ferry may answer anything but a crash."""

import os
from array import array
from dataclasses import dataclass, replace
from itertools import chain

from tokenizer_client import DriverDied, Window

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["RUST_BACKTRACE"] = "0"

BATCH = 2000
MAX_REPORTED = 3


@dataclass
class Difference:
    case: object
    options: object
    what: str
    expected: object
    got: object

    def __str__(self):
        return (
            f"case {self.case!r}\n  options {self.options}\n  {self.what}:\n"
            f"    reference {self.expected}\n    ferry     {self.got}"
        )


class Expected:
    """What the reference says: windows, or the statuses that ferry may answer with; or nothing."""

    def __init__(self, windows=None, statuses=(), has_answer=True):
        self.windows = windows
        self.statuses = statuses
        self.has_answer = has_answer


def _window(encoding, truncated):
    if any(mask != 1 for mask in encoding.attention_mask):
        raise AssertionError("the reference padded: padding must be off")
    return Window(
        len(encoding.ids),
        truncated,
        array("i", encoding.ids).tobytes(),
        bytes(encoding.type_ids),
        bytes(encoding.special_tokens_mask),
        array("I", chain.from_iterable(encoding.offsets)).tobytes(),
    )


def _expected(encoding, options):
    overflowing = encoding.overflowing
    truncated = bool(overflowing)
    windows = [_window(encoding, truncated)]
    if options.windows:
        windows += [_window(other, True) for other in overflowing]
    return windows


class Reference:
    """One Hugging Face tokenizer, with its own truncation and padding switched off."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()

    def _configure(self, options):
        self.tokenizer.no_truncation()
        self.tokenizer.encode_special_tokens = options.special_as_text
        if options.max_tokens:
            self.tokenizer.enable_truncation(
                options.max_tokens,
                stride=options.stride,
                strategy=options.strategy,
                direction=options.side,
            )

    def _encode_one(self, case, options):
        pair = isinstance(case, tuple)
        added = self.tokenizer.num_special_tokens_to_add(pair) if options.special else 0
        if options.max_tokens and options.max_tokens < added:
            return Expected(statuses=("INVALID_INPUT",))
        statuses = ("INVALID_INPUT",) if options.max_tokens == added != 0 else ()
        text, other = case if pair else (case, None)
        try:
            self._configure(options)
            encoding = self.tokenizer.encode(text, other, add_special_tokens=options.special)
        except BaseException as error:  # a Rust panic is no Exception
            return self._expected_failure(case, options, error)
        windows = _expected(encoding, options)
        if options.max_tokens and any(window.count > options.max_tokens for window in windows):
            return Expected(statuses=("INVALID_INPUT",))
        return Expected(windows, statuses)

    def _expected_failure(self, case, options, error):
        text = str(error)
        if "AddedVocabulary bad split" in text:
            return Expected(has_answer=False)
        if "too short to respect" in text:
            return Expected(statuses=("TOO_LONG",))
        if "Second sequence not provided" in text:
            return Expected(statuses=("TOO_LONG", "INVALID_INPUT"))
        if "stride" in text and options.stride:
            expected = self._encode_one(case, replace(options, stride=0))
            if options.windows and expected.windows and expected.windows[0].truncated:
                return Expected(statuses=("INVALID_INPUT",))
            return Expected(expected.windows, expected.statuses + ("INVALID_INPUT",))
        raise error

    def encode(self, cases, options):
        needs_care = options.max_tokens and (options.max_tokens < 8 or options.stride)
        needs_care = needs_care or options.strategy != "longest_first"
        if needs_care:
            return [self._encode_one(case, options) for case in cases]
        self._configure(options)
        try:
            encodings = self.tokenizer.encode_batch(cases, add_special_tokens=options.special)
        except BaseException as error:  # a Rust panic is no Exception
            if "AddedVocabulary bad split" not in str(error):
                raise
            return [self._encode_one(case, options) for case in cases]
        return [Expected(_expected(encoding, options)) for encoding in encodings]


def _numbers(data, kind):
    return None if data is None else array(kind, data).tolist()


def _window_difference(expected, got, number, options):
    where = f"window {number}" if number else ""
    pairs = (
        ("ids", _numbers(expected.ids, "i"), _numbers(got.ids, "i")),
        ("type ids", list(expected.type_ids), list(got.type_ids)),
        ("special mask", list(expected.special_mask), list(got.special_mask)),
        ("truncated", expected.truncated, got.truncated),
    )
    if options.offsets == "characters":
        offsets = ("offsets", _numbers(expected.offsets, "I"), _numbers(got.offsets, "I"))
        pairs += (offsets,)
    for what, want, have in pairs:
        if want != have:
            return f"{where} {what}".strip(), want, have
    return None


def _case_difference(case, options, expected, got):
    if not expected.has_answer:
        return None
    if got.status != "OK":
        if got.status in expected.statuses:
            return None
        want = "success" if expected.windows else expected.statuses
        return Difference(case, options, "status", want, f"{got.status}: {got.error}")
    if expected.windows is None:
        return Difference(case, options, "status", expected.statuses, "success")
    if len(got.windows) != len(expected.windows):
        return Difference(case, options, "windows", len(expected.windows), len(got.windows))
    for number, (want, have) in enumerate(zip(expected.windows, got.windows)):
        if options.offsets != "characters":
            want = replace(want, offsets=have.offsets)
        if want == have:
            continue
        what, one, other = _window_difference(want, have, number, options)
        return Difference(case, options, what, one, other)
    return _read_difference(case, options, got)


def _read_difference(case, options, got):
    texts = case if isinstance(case, tuple) else (case, "")
    sizes = tuple(len(text.encode("utf-8")) for text in texts)
    if any(read > size for read, size in zip(got.read, sizes)):
        return Difference(case, options, "bytes_read over the text's size", sizes, got.read)
    if not got.windows[0].truncated and got.read != sizes:
        return Difference(case, options, "bytes_read of a text that was not cut", sizes, got.read)
    return None


def _both_ways(options):
    """Without offsets ferry reads by another, faster way: everything is asked by both."""
    if options.offsets == "characters":
        return options, replace(options, offsets="none")
    return (options,)


class Judge:
    """A driver's slot and the reference that it must be equal to."""

    def __init__(self, driver, slot, reference):
        self.driver = driver
        self.slot = slot
        self.reference = reference

    def differences(self, cases, options):
        found = []
        for start in range(0, len(cases), BATCH):
            part = cases[start : start + BATCH]
            expected = self.reference.encode(part, options)
            for asked in _both_ways(options):
                answers = self._answers(part, asked, found)
                for case, want, have in zip(part, expected, answers):
                    difference = have and _case_difference(case, asked, want, have)
                    if difference:
                        found.append(difference)
        return found

    def _answers(self, cases, options, found):
        try:
            return self.driver.encode(self.slot, cases, options)
        except DriverDied:
            self.driver.restart()
        answers = []  # one by one, to name the text that kills it
        for case in cases:
            try:
                answers += self.driver.encode(self.slot, [case], options)
            except DriverDied as error:
                self.driver.restart()
                answers.append(None)
                found.append(Difference(case, options, "crash", "an answer", str(error)))
        return answers

    def check(self, cases, options):
        """Fails with the first differences, each shortened as far as it stays one."""
        found = self.differences(list(cases), options)
        if not found:
            return
        shown = [str(self.shorten(difference)) for difference in found[:MAX_REPORTED]]
        raise AssertionError(f"{len(found)} of {len(cases)} differ:\n" + "\n".join(shown))

    def shorten(self, difference):
        if difference.what == "crash" or isinstance(difference.case, bytes):
            return difference
        parts = difference.case if isinstance(difference.case, tuple) else (difference.case,)
        for index in range(len(parts)):
            difference = self._shorten_part(difference, index)
        return difference

    def _shorten_part(self, difference, index):
        size = 1 << 12
        while size:
            at = 0
            while True:
                case = difference.case
                parts = list(case) if isinstance(case, tuple) else [case]
                if at >= len(parts[index]):
                    break
                parts[index] = parts[index][:at] + parts[index][at + size :]
                shorter = tuple(parts) if isinstance(case, tuple) else parts[0]
                again = self.differences([shorter], difference.options)
                if again and again[0].what != "crash":
                    difference = again[0]
                else:
                    at += size
            size //= 2
        return difference
