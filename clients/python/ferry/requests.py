"""From arguments to encoded requests. Wrong arguments raise before anything is sent."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import msgpack
import numpy

from .connection import Encoder

TextOrPair = Union[str, Tuple[str, str]]
Texts = Union[str, Sequence[TextOrPair]]
Ids = Sequence[Union[Sequence[int], "numpy.ndarray"]]

CHOICES = {
    "dtype": ("f32", "f16", "int8", "binary"),
    "truncate": ("right", "left", "error"),
    "strategy": ("longest_first", "only_first", "only_second"),
    "special_tokens": ("parse", "text"),
    "priority": ("interactive", "bulk"),
}


# What each option of the language operations has to be. Ranges are the daemon's to check.
_COMMON = {
    "model": str,
    "max_tokens": Integral,
    "truncate": str,
    "add_special_tokens": bool,
    "special_tokens": str,
    "priority": str,
    "top": Integral,
}
LANGUAGE_OPTIONS: Dict[str, Dict[str, type]] = {
    "score": {**_COMMON, "windows": bool, "stride": Integral},
    "next": _COMMON,
    "generate": {
        **_COMMON,
        "max_new_tokens": Integral,
        "min_new_tokens": Integral,
        "n": Integral,
        "temperature": Real,
        "top_k": Integral,
        "top_p": Real,
        "min_p": Real,
        "repetition_penalty": Real,
        "seed": Integral,
        "stop": list,
        "stop_ids": list,
        "logprobs": bool,
        "echo": bool,
        "ignore_end": bool,
        "skip_special_tokens": bool,
    },
}


def language_options(operation: str, given: Dict[str, Any]) -> Dict[str, Any]:
    """The options of score, next or generate, checked and as msgpack takes them."""
    kinds = LANGUAGE_OPTIONS[operation]
    options: Dict[str, Any] = {}
    for name, value in given.items():
        if name not in kinds:
            raise TypeError(f"{operation}() has no option {name!r}: there are {', '.join(kinds)}")
        if value is not None:
            options[name] = _option_value(name, value, kinds[name])
    return options


def _option_value(name: str, value: Any, kind: type) -> Any:
    if kind is list:
        return _list_value(name, [value] if isinstance(value, str) else value)
    is_wrong_bool = isinstance(value, bool) and kind is not bool
    if is_wrong_bool or not isinstance(value, kind):
        wanted = {Integral: "an integer", Real: "a number", bool: "a bool", str: "a str"}[kind]
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")
    if kind is Integral:
        return _integer(name, value)
    return float(value) if kind is Real else value


def _integer(name: str, value: Any) -> int:
    if not -(2**63) <= int(value) < 2**64:
        raise ValueError(f"{name} must fit 64 bits, not {value}")
    return int(value)


def _list_value(name: str, values: Iterable[Any]) -> List[Any]:
    kind, wanted = (str, "str") if name == "stop" else (Integral, "integers")
    values = list(values)
    if not all(isinstance(value, kind) and not isinstance(value, bool) for value in values):
        raise TypeError(f"{name} must be a list of {wanted}")
    return values if name == "stop" else [_integer(name, value) for value in values]


class Items:
    """Texts, pairs or ids of one call, ready to be encoded piece by piece."""

    def __init__(
        self,
        texts: Optional[Texts] = None,
        ids: Optional[Ids] = None,
        type_ids: Optional[Ids] = None,
    ) -> None:
        if (texts is None) == (ids is None):
            raise TypeError("give either texts or ids")
        if type_ids is not None and ids is None:
            raise TypeError("type_ids belong to ids, not to texts")
        self.is_single = isinstance(texts, str)
        self.columns: Dict[str, List[Any]] = {}
        if texts is not None:
            self.columns["texts"] = _check_texts([texts] if isinstance(texts, str) else texts)
        else:
            self.columns["ids"] = [_ids_bytes(row, "<i4", "ids") for row in ids or ()]
            if type_ids is not None:
                self.columns["type_ids"] = [_ids_bytes(row, "u1", "type_ids") for row in type_ids]
        lengths = {len(column) for column in self.columns.values()}
        if len(lengths) != 1:
            raise ValueError("ids and type_ids have different lengths")
        self.count = lengths.pop()

    def refuse_pairs(self) -> None:
        for index, text in enumerate(self.columns.get("texts", ())):
            if not isinstance(text, str):
                raise TypeError(f"texts[{index}] is a pair: language models take single texts")

    def sizes(self) -> List[int]:
        return [
            16 + sum(_size_of(column[at]) for column in self.columns.values())
            for at in range(self.count)
        ]

    def encoder(self, operation: str, options: Dict[str, Any]) -> Encoder:
        def encode(number: int, first: int, count: int) -> bytes:
            body = {"v": 1, "op": operation, "id": number}
            for name, column in self.columns.items():
                body[name] = column[first : first + count]
            body.update(options)
            # Lone surrogates travel as they are: the daemon refuses that text alone.
            return msgpack.packb(body, use_bin_type=True, unicode_errors="surrogatepass")

        return encode


def _size_of(item: Any) -> int:
    if isinstance(item, tuple):
        return sum(map(_size_of, item))
    # Four bytes is the most a character takes; counting them exactly would mean encoding twice.
    return len(item) * 4 if isinstance(item, str) and not item.isascii() else len(item)


def _check_texts(texts: Iterable[TextOrPair]) -> List[Any]:
    checked: List[Any] = []
    for index, text in enumerate(texts):
        if isinstance(text, str):
            checked.append(text)
        elif (
            isinstance(text, (tuple, list))
            and len(text) == 2
            and all(isinstance(part, str) for part in text)
        ):
            checked.append(tuple(text))
        else:
            kind = type(text).__name__
            raise TypeError(f"texts[{index}] must be a str or a pair of str, not {kind}")
    return checked


def _ids_bytes(row: Any, kind: str, name: str) -> bytes:
    array = numpy.asarray(row)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"{name} must be rows of integers")
    limits = numpy.iinfo(kind)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise ValueError(f"{name} must be from {limits.min} to {limits.max}")
    return array.astype(kind).tobytes()


def options_of(deadline: float, **given: Any) -> Dict[str, Any]:
    """The keys of the request that were given, checked. None stands for the protocol's default."""
    options: Dict[str, Any] = {"deadline_ms": max(1, round(deadline * 1000))}
    for name, value in given.items():
        if value is None:
            continue
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
        options[name] = value
    return options


def plain_encoder(operation: str) -> Encoder:
    """For the operations without items."""

    def encode(number: int, first: int, count: int) -> bytes:
        return msgpack.packb({"v": 1, "op": operation, "id": number})

    return encode
