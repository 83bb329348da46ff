"""vocab.txt with tokenizer_config.json beside it, against transformers' BertTokenizer."""

import json
import shutil

import pytest

import tokenizer_models as models
import tokenizer_texts as texts
from tokenizer_client import Options
from tokenizer_oracle import Judge, Reference

SLOT = 252
CONFIGURATIONS = {
    "empty": {},
    "cased": {"do_lower_case": False},
    "cased_stripping": {"do_lower_case": False, "strip_accents": True},
    "lower_keeping_accents": {"do_lower_case": True, "strip_accents": False},
    "chinese_left_alone": {"tokenize_chinese_chars": False},
    "other_special_tokens": {"cls_token": "[unused2]", "sep_token": "[unused3]", "unk_token": "[unused1]"},
    "limit_is_not_for_the_tokenizer": {"model_max_length": 16},
    "tokens_as_objects": {
        "cls_token": {"__type": "AddedToken", "content": "[CLS]", "lstrip": False, "rstrip": False,
                      "single_word": False, "normalized": False, "special": True},
    },
    "added_tokens_decoder": {
        "added_tokens_decoder": {
            "0": {"content": "[PAD]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True},
            "100": {"content": "[UNK]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True},
            "101": {"content": "[CLS]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True},
            "102": {"content": "[SEP]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True},
            "103": {"content": "[MASK]", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False, "special": True},
            "30522": {"content": "<x>", "lstrip": True, "normalized": False, "rstrip": True, "single_word": False, "special": False},
        }
    },
}  # fmt: skip


def _transformers(folder):
    from transformers import AutoTokenizer

    return Reference(AutoTokenizer.from_pretrained(folder).backend_tokenizer)


def _folder(path, configuration):
    shutil.copy(models.minilm_folder() / "vocab.txt", path)
    settings = {"tokenizer_class": "BertTokenizer"} | configuration
    (path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return path


def _sample(seed):
    sample = [text for name, generator in texts.GENERATORS.items()
              for text in texts.random_texts(generator, 150, f"{seed} {name}")]  # fmt: skip
    return sample + ["a<x>b", "a <x> b", "x [MASK] y", "[unused1] [unused2] [unused3]"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_vocabulary_file(name, driver, tmp_path):
    folder = _folder(tmp_path, CONFIGURATIONS[name])
    loaded = driver.load(SLOT, folder)
    assert loaded.status == "OK", loaded.error
    judge = Judge(driver, SLOT, _transformers(folder))
    sample = _sample(name)
    judge.check(sample, Options())
    judge.check(sample, Options(special_as_text=True))
    judge.check(list(zip(sample, sample[7:])), Options(16))


def test_vocabulary_file_given_by_itself(driver, tmp_path, minilm):
    shutil.copy(models.minilm_folder() / "vocab.txt", tmp_path)
    loaded = driver.load(SLOT, tmp_path / "vocab.txt")
    assert loaded.status == "OK", loaded.error
    Judge(driver, SLOT, minilm.reference).check(_sample("alone"), Options())


def test_tokenizer_json_wins_over_vocab_txt(driver, tmp_path, minilm):
    shutil.copy(models.minilm_folder() / "tokenizer.json", tmp_path)
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\nx\n")
    loaded = driver.load(SLOT, tmp_path)
    assert loaded.status == "OK" and loaded.id_bound == 30522
    Judge(driver, SLOT, minilm.reference).check(["word x"], Options())


@pytest.mark.parametrize("ending", ("\n", "\r\n"))
@pytest.mark.parametrize("last", (True, False))
def test_line_endings(ending, last, driver, tmp_path):
    """Blanks at a line's end do not belong to the word; the last of two equal lines wins."""
    lines = "[PAD] [UNK] [CLS] [SEP] [MASK] the a ##b the caf\u00e9 cafe".split() + ["c \t", "d"]
    data = ending.join(lines) + (ending if last else "")
    (tmp_path / "vocab.txt").write_bytes(data.encode())
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    loaded = driver.load(SLOT, tmp_path)
    assert loaded.status == "OK", loaded.error
    judge = Judge(driver, SLOT, _transformers(tmp_path))
    judge.check(["the ab c d caf\u00e9 [MASK]", "abb the the"], Options())
