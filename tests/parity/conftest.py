"""Fixtures of the parity tests. FERRY_BUILD_DIR: the build to test (default build/).
FERRY_LONG=1: the full campaigns. FERRY_SEED=n: other random texts."""

import itertools
import os

import pytest

import tokenizer_gpt2
import tokenizer_models
from tokenizer_client import TokenizerDriver
from tokenizer_oracle import Judge


@pytest.fixture(scope="session")
def long_run():
    return os.environ.get("FERRY_LONG", "") not in ("", "0")


@pytest.fixture(scope="session")
def seed():
    return int(os.environ.get("FERRY_SEED", "1"))


@pytest.fixture(scope="session")
def driver():
    program = TokenizerDriver()
    yield program
    program.close()


def _judge(driver, slot, folder):
    loaded = driver.load(slot, folder)
    assert loaded.status == "OK", loaded.error
    return Judge(driver, slot, tokenizer_models.reference(folder))


@pytest.fixture(scope="session")
def new_judge(driver):
    """Loads a folder with tokenizer.json, and the reference beside it. The last 16 stay loaded."""
    slots = itertools.cycle(range(100, 116))
    return lambda folder: _judge(driver, next(slots), folder)


@pytest.fixture(scope="session")
def minilm(driver):
    return _judge(driver, 1, tokenizer_models.minilm_folder())


@pytest.fixture(scope="session")
def character_document():
    return tokenizer_models.character_json()


@pytest.fixture(scope="session")
def characters(driver, character_document, tmp_path_factory):
    folder = tmp_path_factory.mktemp("characters")
    return _judge(driver, 2, tokenizer_models.write_json(folder, character_document))


@pytest.fixture(scope="session")
def small(driver, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return _judge(driver, 3, tokenizer_models.write_json(folder, tokenizer_models.small_json()))


def _byte_level(driver, tmp_path_factory, slot, document):
    folder = tokenizer_gpt2.write_json(tmp_path_factory.mktemp("byte_level"), document)
    judge = _judge(driver, slot, folder)
    judge.document = document
    return judge


@pytest.fixture(scope="session")
def gpt2(driver, tmp_path_factory):
    return _byte_level(driver, tmp_path_factory, 4, tokenizer_gpt2.gpt2_json())


@pytest.fixture(scope="session")
def gpt2_prefixed(driver, tmp_path_factory):
    document = tokenizer_gpt2.gpt2_json(add_prefix_space=True, trim_offsets=True)
    return _byte_level(driver, tmp_path_factory, 5, document)


@pytest.fixture(scope="session")
def roberta(driver, tmp_path_factory):
    return _byte_level(driver, tmp_path_factory, 6, tokenizer_gpt2.roberta_json())


@pytest.fixture(scope="session")
def roberta_prefixed(driver, tmp_path_factory):
    document = tokenizer_gpt2.roberta_json(add_prefix_space=True)
    return _byte_level(driver, tmp_path_factory, 7, document)
