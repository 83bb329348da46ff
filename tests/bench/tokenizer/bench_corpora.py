"""The texts that the tokenizer bench runs over; the same on every machine with the same packages."""

import ast
import pathlib
import re
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "parity"))
import tokenizer_byte_level_texts  # noqa: E402
import tokenizer_texts  # noqa: E402

TEN_SCRIPTS = (
    "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Thai", "Georgian", "Hangul", "Han", "Japanese",
)  # fmt: skip
SCRIPT_BYTES = 300_000  # of one script at most, so that none of them rules
SOURCE_BYTES = 3_000_000  # of the standard library
DOCUMENTATION_BYTES = 10_000_000


def fortunes():
    return tokenizer_texts.english_fortunes()


def _docstrings(path):
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        if text:
            yield text


def _paragraphs(text):
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def documentation():
    """Paragraphs of the READMEs and docstrings of the installed Python packages, in order of path."""
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    texts, size = [], 0
    for path in sorted(packages.glob("*.dist-info/METADATA")):
        body = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[2]
        texts += _paragraphs(body)
    size = sum(len(text.encode()) for text in texts)
    for path in sorted(packages.rglob("*.py")):
        for docstring in _docstrings(path):
            for paragraph in _paragraphs(docstring):
                texts.append(paragraph)
                size += len(paragraph.encode("utf-8", "replace"))
        if size > DOCUMENTATION_BYTES:
            break
    return [text.encode("utf-8", "replace").decode() for text in texts]


def script(name):
    texts, size = [], 0
    for text in tokenizer_texts.script_texts(name):
        texts.append(text)
        size += len(text.encode())
        if size > SCRIPT_BYTES:
            break
    return texts


def ten_scripts():
    return [text for name in TEN_SCRIPTS for text in script(name)]


def source_code():
    """This repository's sources and modules of Python's standard library, whole files, but for those
    that name a special token, which not all tokenizers read in the same way."""
    texts = tokenizer_byte_level_texts.own_sources()
    texts += tokenizer_byte_level_texts.standard_library(SOURCE_BYTES)
    return [text for text in texts if "<|endoftext|>" not in text]
