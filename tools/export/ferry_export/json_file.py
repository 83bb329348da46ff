"""Reads the JSON files that come with a model."""

import json
import pathlib

from .refusal import BAD_DATA, NO_INPUT, Refusal


def read_json(path: pathlib.Path):
    """The content of a file that has to be there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(NO_INPUT, f"{path}: no such file") from None
    except OSError as error:
        raise Refusal(NO_INPUT, f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Refusal(BAD_DATA, f"{path}: not valid JSON: {error}") from None


def read_json_object(path: pathlib.Path) -> dict:
    """The object in a file that has to be there."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise Refusal(BAD_DATA, f"{path}: a JSON object is expected")
    return content


def read_json_object_if_there(path: pathlib.Path) -> dict:
    """The object in a file, or an empty one when there is no such file."""
    return read_json_object(path) if path.exists() else {}
