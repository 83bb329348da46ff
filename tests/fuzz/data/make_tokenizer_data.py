"""Makes the tokenizers in this folder and the seeds in ../corpus/fuzz_tokenizer*: run it by hand
with the project's Python after a change here; the results are committed."""

import json
import pathlib
import random
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpus"
sys.path.insert(0, str(HERE.parents[1] / "parity"))
import tokenizer_models as models  # noqa: E402
import tokenizer_texts as texts  # noqa: E402

CONTENTS = (
    "<x>",
    "[NEW]",
    "[NEW]TAIL",
    "ab",
    "abc",
    "bcd",
    "Über",
    "中",
    " lead",
    "trail ",
    "é",
    "A",
    "x y",
    "\u200b",
)
FLAGS = ("special", "single_word", "lstrip", "rstrip", "normalized")


def with_added_tokens():
    document = models.small_json()
    for number, content in enumerate(CONTENTS):
        flags = {flag: bool(number >> bit & 1) for bit, flag in enumerate(FLAGS[:4])}
        flags["normalized"] = number % 3 == 0
        document["added_tokens"].append(models.added_token(900 + number, content, **flags))
    return document


def cased():
    document = models.with_normalizer(
        models.small_json(), lowercase=False, clean_text=False, handle_chinese_chars=False
    )
    document["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
    }
    document["model"]["max_input_chars_per_word"] = 12
    return document


def encode_seeds():
    rng = random.Random(1)
    generators = list(texts.GENERATORS.values()) + [
        texts.vocabulary_words(models.small_json()["model"]["vocab"])
    ]
    for number in range(3 * len(generators)):
        parts = [generators[(number + i) % len(generators)](rng) for i in range(rng.randint(1, 4))]
        text = "".join(parts).encode()
        ids = struct.pack("<4i", *(rng.randint(-2, 1000) for _ in range(4)))
        limit = rng.choice((0, 0, 3, 5, 8, 16))
        plan = struct.pack(
            "<BBHBBBBBBHHBB", number % 3, limit, 300, rng.choice((0, 0, 1, 4)), 0, rng.randrange(3),
            rng.randrange(2), rng.randrange(3), rng.randrange(16), 2 * len(ids), len(text) // 2, 0, 0,
        )  # fmt: skip
        yield plan + text + ids


def file_seeds():
    small = json.dumps(models.small_json(), ensure_ascii=False).encode()
    yield "small_json", b"J" + small
    yield "added_json", b"J" + json.dumps(with_added_tokens(), ensure_ascii=False).encode()
    yield "cased_json", b"J" + json.dumps(cased()).encode()
    yield "vocabulary", b"V" + (HERE / "vocabulary" / "vocab.txt").read_bytes()
    settings = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "cls_token": "[CLS]",
                "mask_token": {"content": "[MASK]", "lstrip": True}, "model_max_length": 512,
                "added_tokens_decoder": {"3": {"content": "[SEP]", "special": True}, "901": {"content": "<x>"}}}  # fmt: skip
    yield "settings", b"C" + json.dumps(settings).encode()


def main():
    models.write_json(HERE / "added_tokens", with_added_tokens())
    models.write_json(HERE / "cased", cased())
    (HERE / "vocabulary").mkdir(exist_ok=True)
    words = sorted(models.small_json()["model"]["vocab"].items(), key=lambda item: item[1])
    (HERE / "vocabulary" / "vocab.txt").write_text(
        "".join(word + "\n" for word, _ in words), encoding="utf-8"
    )
    for folder in ("fuzz_tokenizer", "fuzz_tokenizer_files"):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(encode_seeds()):
        (CORPUS / "fuzz_tokenizer" / f"seed_{number:02}").write_bytes(seed)
    for name, seed in file_seeds():
        (CORPUS / "fuzz_tokenizer_files" / name).write_bytes(seed)


if __name__ == "__main__":
    main()
