"""Makes the tokenizers in this folder and the seeds in ../corpus/fuzz_tokenizer*: run it by hand
with the project's Python after a change here; the results are committed."""

import base64
import json
import pathlib
import random
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpus"
sys.path.insert(0, str(HERE.parents[1] / "parity"))
import tokenizer_byte_level_texts as byte_texts  # noqa: E402
import tokenizer_gpt2 as gpt2  # noqa: E402
import tokenizer_models as models  # noqa: E402
import tokenizer_small_bpe as small_bpe  # noqa: E402
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


def byte_level():
    """Prefixed and trimmed, with added tokens of both kinds that overlap."""
    document = small_bpe.small_json(add_prefix_space=True, trim_offsets=True)
    first = len(document["model"]["vocab"]) + 2
    for number, content in enumerate(CONTENTS):
        flags = {flag: bool(number >> bit & 1) for bit, flag in enumerate(FLAGS[:4])}
        token = gpt2.added_token(first + number, content, normalized=number % 3 == 0, **flags)
        document["added_tokens"].append(token)
    return document


def roberta():
    """RoBERTa's template, merges in any order, bytes without a token."""
    document = small_bpe.wild_json(random.Random(3), 60)
    model = document["model"]
    for character in ("q", "\u00c3", "9"):
        del model["vocab"][character]
    model["vocab"] |= {"<unk>": 700, "<s>": 701, "</s>": 702}
    model["unk_token"], model["fuse_unk"] = "<unk>", True
    document["added_tokens"] = [gpt2.added_token(701, "<s>", special=True)]
    document["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 702], "cls": ["<s>", 701],
                                  "trim_offsets": True, "add_prefix_space": False}  # fmt: skip
    return document


def plan_of(rng, tokenizer, text, ids):
    limit = rng.choice((0, 0, 3, 5, 8, 16))
    return struct.pack(
        "<BBHBBBBBBHHBB", tokenizer, limit, 300, rng.choice((0, 0, 1, 4)), 0, rng.randrange(3),
        rng.randrange(2), rng.randrange(3), rng.randrange(16), 2 * len(ids), len(text) // 2, 0, 0,
    )  # fmt: skip


def byte_level_seeds():
    rng = random.Random(2)
    names = list(byte_texts.GENERATORS.values())
    for number in range(2 * len(names)):
        text = "".join(names[(number + i) % len(names)](rng) for i in range(rng.randint(1, 3)))
        ids = struct.pack("<8i", *(rng.randint(-2, 800) for _ in range(8)))
        text = text.encode()[:1500]
        yield plan_of(rng, 3 + number % 2, text, ids) + text + ids


def encode_seeds():
    rng = random.Random(1)
    generators = list(texts.GENERATORS.values()) + [
        texts.vocabulary_words(models.small_json()["model"]["vocab"])
    ]
    for number in range(3 * len(generators)):
        parts = [generators[(number + i) % len(generators)](rng) for i in range(rng.randint(1, 4))]
        text = "".join(parts).encode()
        ids = struct.pack("<4i", *(rng.randint(-2, 1000) for _ in range(4)))
        yield plan_of(rng, number % 3, text, ids) + text + ids


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
    yield "byte_level_json", b"J" + json.dumps(byte_level(), ensure_ascii=False).encode()
    yield "roberta_json", b"J" + json.dumps(roberta()).encode()
    model = small_bpe.small_model()
    merges = "".join(" ".join(pair) + "\n" for pair in model["merges"]).encode()
    words = json.dumps(model["vocab"], ensure_ascii=False).encode()
    yield "merges", b"M" + words + b"\0" + b"#version: 0.2\n" + merges
    yield "ranks", b"R" + b"".join(
        base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256)
    ) + b"YWI= 256\nYWJi 257\n"
    bpe_settings = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True,
                    "mask_token": {"content": "<mask>", "lstrip": True}, "pad_token": "<p>",
                    "added_tokens_decoder": {"900": {"content": "<x>", "rstrip": True}}}  # fmt: skip
    yield "bpe_settings", b"S" + json.dumps(bpe_settings).encode()


def main():
    models.write_json(HERE / "added_tokens", with_added_tokens())
    models.write_json(HERE / "cased", cased())
    models.write_json(HERE / "byte_level", byte_level())
    models.write_json(HERE / "roberta", roberta())
    gpt2_words = small_bpe.small_model()
    (HERE / "byte_level" / "merges.txt").write_text(
        "".join(" ".join(pair) + "\n" for pair in gpt2_words["merges"]), encoding="utf-8"
    )
    (HERE / "byte_level" / "vocab.json").write_text(
        json.dumps(gpt2_words["vocab"], ensure_ascii=False), encoding="utf-8"
    )
    (HERE / "vocabulary").mkdir(exist_ok=True)
    words = sorted(models.small_json()["model"]["vocab"].items(), key=lambda item: item[1])
    (HERE / "vocabulary" / "vocab.txt").write_text(
        "".join(word + "\n" for word, _ in words), encoding="utf-8"
    )
    for folder in ("fuzz_tokenizer", "fuzz_tokenizer_files"):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(encode_seeds()):
        (CORPUS / "fuzz_tokenizer" / f"seed_{number:02}").write_bytes(seed)
    for number, seed in enumerate(byte_level_seeds()):
        (CORPUS / "fuzz_tokenizer" / f"byte_level_{number:02}").write_bytes(seed)
    for name, seed in file_seeds():
        (CORPUS / "fuzz_tokenizer_files" / name).write_bytes(seed)


if __name__ == "__main__":
    main()
