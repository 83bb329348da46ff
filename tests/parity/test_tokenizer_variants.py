"""tokenizer.json files that differ from the default model's: added tokens with every flag, other
unknown token, prefix, word limit, post-processor and decoder."""

import copy
import itertools
import random

import pytest

import tokenizer_models as models
import tokenizer_texts as texts
from tokenizer_client import Options

GLUE = ("", "", " ", "  ", "\t", "\n", ".", "a", "B", "_", "1", "é", "É", "中", "\u0301", "\u200b", "\u3000", "-", "play", "unable")  # fmt: skip


def _glued(contents, seed, count=200):
    """The tokens' contents, also in other case and cut short, between all kinds of text."""
    rng = random.Random(seed)
    sample = []
    for _ in range(count):
        text = []
        for _ in range(rng.randint(1, 7)):
            content = rng.choice(contents)
            content = rng.choice(
                (content, content, content, content.lower(), content.upper(), content[:-1])
            )
            text += [rng.choice(GLUE), content, rng.choice(GLUE)]
        sample.append("".join(text))
    return sample


def _check_everything(judge, sample):
    for special, as_text in itertools.product((True, False), (True, False)):
        judge.check(sample, Options(special=special, special_as_text=as_text))
    for side, limit in itertools.product(("right", "left"), (7, 12)):
        judge.check(sample, Options(limit, side=side))
        judge.check(sample, Options(limit, side=side, windows=True))
    judge.check(list(zip(sample, sample[1:])), Options())


CONTENTS = (
    "<x>", "[NEW]", "[NEW]TAIL", "ab", "abc", "bcd", "Über", "naïve café", "中", "中国", " lead", "trail ",
    "#tag", "the", "é", "e\u0301", "A", "_", "x y", "\n", "\u200b", "[SEP][SEP]",
)  # fmt: skip
FLAGS = [
    dict(zip(("special", "single_word", "lstrip", "rstrip", "normalized"), values))
    for values in itertools.product((False, True), repeat=5)
]


def _vanishes(content, flags):
    """Nothing is left of it when it is normalized, so that the reference finds it everywhere; or it
    becomes the same as another one, and the reference takes either, by chance of its hash table."""
    return flags["normalized"] and content in ("\u200b", "e\u0301")


def test_added_token_that_normalizes_to_nothing_is_refused(driver, tmp_path):
    document = models.small_json()
    document["added_tokens"].append(models.added_token(900, "\u200b", normalized=True))
    loaded = driver.load(251, models.write_json(tmp_path, document))
    assert loaded.status == "BAD_DATA" and "added_tokens" in loaded.error


@pytest.mark.parametrize(
    "flags", FLAGS, ids=lambda flags: "-".join(k for k in flags if flags[k]) or "none"
)
def test_added_token_flags(flags, new_judge, tmp_path):
    document = models.small_json()
    free = 1000
    for number, content in enumerate(CONTENTS):
        if not _vanishes(content, flags):
            document["added_tokens"].append(models.added_token(free + number, content, **flags))
    judge = new_judge(models.write_json(tmp_path, document))
    _check_everything(judge, _glued(CONTENTS, str(flags)))
    rng_texts = texts.random_texts(texts.everything, 100, f"added {flags}")
    judge.check(rng_texts, Options())


@pytest.mark.parametrize("seed_number", range(20))
def test_added_tokens_with_mixed_flags(seed_number, new_judge, tmp_path, seed):
    rng = random.Random(f"mixed {seed_number} {seed}")
    document = models.with_normalizer(
        models.small_json(),
        lowercase=rng.random() < 0.7,
        strip_accents=rng.choice((None, True, False)),
    )
    for number, content in enumerate(rng.sample(CONTENTS, 9)):
        flags = rng.choice(FLAGS)
        if not _vanishes(content, flags):
            document["added_tokens"].append(models.added_token(1000 + number, content, **flags))
    contents = [token["content"] for token in document["added_tokens"]]
    judge = new_judge(models.write_json(tmp_path, document))
    _check_everything(judge, _glued(contents, f"{seed_number} {seed}"))


@pytest.mark.parametrize("name", ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"))
@pytest.mark.parametrize("flag", ("lstrip", "rstrip", "single_word", "normalized"))
def test_special_tokens_with_flags(name, flag, new_judge, tmp_path):
    document = models.minilm_json()
    for token in document["added_tokens"]:
        if token["content"] == name:
            token[flag] = True
    judge = new_judge(models.write_json(tmp_path, document))
    _check_everything(judge, _glued(texts.SPECIAL_TOKENS + texts.NEARLY_SPECIAL, name + flag, 200))


def test_added_token_with_an_id_of_the_vocabulary(new_judge, tmp_path):
    document = models.small_json()
    vocabulary = document["model"]["vocab"]
    for word in ("the", "##ing", "play", "é"):
        document["added_tokens"].append(models.added_token(vocabulary[word], word))
    judge = new_judge(models.write_json(tmp_path, document))
    _check_everything(judge, _glued(("the", "##ing", "play", "é", "playing"), "shared"))


def test_other_unknown_token(new_judge, tmp_path):
    document = models.small_json()
    document["model"]["unk_token"] = "the"
    judge = new_judge(models.write_json(tmp_path, document))
    _check_everything(judge, texts.random_texts(texts.everything, 200, "unk"))


@pytest.mark.parametrize("limit", (0, 1, 2, 5, 16, 99, 100, 101, 1000))
def test_longest_word(limit, new_judge, tmp_path):
    document = models.minilm_json()
    document["model"]["max_input_chars_per_word"] = limit
    judge = new_judge(models.write_json(tmp_path, document))
    rng = random.Random(limit)
    sample = texts.random_texts(texts.long_words, 300, f"limit {limit}")
    sample += texts.random_texts(texts.everything, 100, f"limit {limit}")
    sample += [
        rng.choice(("x", "é", "가", "\u0301x")) * (limit + d)
        for d in (-1, 0, 1, 2)
        for _ in range(5)
    ]
    judge.check(sample, Options())


@pytest.mark.parametrize("prefix", ("##", "@@", "_", "", "é", "▁▁"))
def test_other_continuing_prefix(prefix, new_judge, tmp_path):
    document = models.small_json()
    words = document["model"]["vocab"]
    renamed = {
        (prefix + w[2:] if w.startswith("##") and len(w) > 2 else w): n for w, n in words.items()
    }
    document["model"]["vocab"] = renamed
    document["model"]["continuing_subword_prefix"] = prefix
    document["decoder"]["prefix"] = prefix
    judge = new_judge(models.write_json(tmp_path, document))
    generator = texts.vocabulary_words(words)
    judge.check(texts.random_texts(generator, 400, prefix), Options())
    judge.check(texts.random_texts(texts.everything, 200, prefix), Options())


def test_cased_vocabulary(new_judge, tmp_path):
    document = models.with_normalizer(models.minilm_json(), lowercase=False, strip_accents=None)
    vocabulary = document["model"]["vocab"]
    for number, word in enumerate(
        ("The", "Paris", "É", "##É", "IBM", "##BM", "İ", "naïve", "Straße")
    ):
        vocabulary[word] = 40_000 + number
    judge = new_judge(models.write_json(tmp_path, document))
    judge.check(texts.english_fortunes()[:2000], Options())
    judge.check(_glued(("The", "Paris", "É", "IBM", "İ", "naïve", "Straße"), "cased"), Options())


def test_ids_with_gaps_and_words_of_many_kinds(new_judge, tmp_path):
    """Words that no text can reach, words with blanks and marks, ids far apart."""
    document = models.small_json()
    words = (
        "NFC É",
        "two words",
        "a-b",
        "##",
        "###",
        "",
        " ",
        "中a",
        "\u0301",
        "##\u200b",
        "x" * 300,
        "##" + "y" * 300,
    )
    for number, word in enumerate(words):
        document["model"]["vocab"][word] = 5000 + 977 * number
    judge = new_judge(models.write_json(tmp_path, document))
    sample = _glued(words, "gaps") + ["x" * n for n in (99, 100, 101, 299, 300, 301)]
    judge.check(sample, Options())


CLS, SEP = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {
    "SpecialToken": {"id": "[SEP]", "type_id": 0}
}


def _special(name, type_id):
    return {"SpecialToken": {"id": name, "type_id": type_id}}


def _sequence(name, type_id):
    return {"Sequence": {"id": name, "type_id": type_id}}


TEMPLATES = {
    "other_types": ([CLS, _sequence("A", 1), SEP], [CLS, _sequence("A", 2), SEP, _sequence("B", 3), _special("[SEP]", 4)]),
    "nothing_around": ([_sequence("A", 0)], [_sequence("A", 0), _sequence("B", 1)]),
    "no_begin": ([_sequence("A", 0), SEP], [_sequence("A", 0), SEP, _sequence("B", 1), _special("[SEP]", 1)]),
    "no_end": ([CLS, _sequence("A", 0)], [CLS, _sequence("A", 0), _sequence("B", 1)]),
    "two_each": ([CLS, CLS, _sequence("A", 0), SEP, SEP], [CLS, _sequence("A", 0), SEP, SEP, _sequence("B", 1), _special("[SEP]", 1)]),
    "mask_between": ([CLS, _sequence("A", 0), _special("[MASK]", 0)], [CLS, _sequence("A", 0), _special("[MASK]", 0), _sequence("B", 1)]),
    "second_first": ([CLS, _sequence("A", 0), SEP], [CLS, _sequence("B", 1), SEP, _sequence("A", 0), _special("[SEP]", 1)]),
}  # fmt: skip
ALLOWED_UNSUPPORTED = {"second_first"}


def _check_post_processor(judge):
    sample = [text[:30] for text in texts.random_texts(texts.everything, 20, "post")]
    sample += ["", "one two three"]
    pairs = list(zip(sample, reversed(sample)))
    for special, limit in itertools.product((True, False), (0, 6, 16)):
        judge.check(sample + pairs, Options(limit, special=special))
        judge.check(sample + pairs, Options(limit, special=special, windows=True))
        judge.check(sample + pairs, Options(limit, special=special, windows=True, side="left"))
    judge.check(sample + pairs, Options(12, 2, windows=True))


def _load_or_unsupported(new_judge, driver, folder, allowed):
    loaded = driver.load(251, folder)
    if allowed and loaded.status == "UNSUPPORTED":
        assert len(loaded.error) > 20, "an UNSUPPORTED that does not say what"
        return None
    return new_judge(folder)


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_processing(name, new_judge, driver, tmp_path):
    document = models.small_json()
    single, pair = TEMPLATES[name]
    processor = document["post_processor"]
    processor["single"], processor["pair"] = single, pair
    processor["special_tokens"]["[MASK]"] = {"id": "[MASK]", "ids": [4], "tokens": ["[MASK]"]}
    folder = models.write_json(tmp_path, document)
    judge = _load_or_unsupported(new_judge, driver, folder, name in ALLOWED_UNSUPPORTED)
    if judge:
        _check_post_processor(judge)


def test_template_with_several_ids_for_one_name(new_judge, driver, tmp_path):
    document = models.small_json()
    names = document["post_processor"]["special_tokens"]
    names["[CLS]"] = {"id": "[CLS]", "ids": [2, 4], "tokens": ["[CLS]", "[MASK]"]}
    judge = _load_or_unsupported(new_judge, driver, models.write_json(tmp_path, document), True)
    if judge:
        _check_post_processor(judge)


def test_bert_processing(new_judge, tmp_path):
    document = models.small_json()
    document["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
    }
    _check_post_processor(new_judge(models.write_json(tmp_path, document)))


def test_bert_processing_with_other_tokens(new_judge, tmp_path):
    document = models.small_json()
    document["post_processor"] = {"type": "BertProcessing", "sep": ["the", 9], "cls": ["[MASK]", 4]}
    _check_post_processor(new_judge(models.write_json(tmp_path, document)))


def test_no_post_processor(new_judge, driver, tmp_path):
    document = models.small_json()
    document["post_processor"] = None
    _check_post_processor(new_judge(models.write_json(tmp_path, document)))


def test_truncation_and_padding_of_the_file_are_ignored(new_judge, tmp_path):
    """The caller's limit is the only one."""
    document = models.minilm_json()
    assert document["truncation"]["max_length"] == 128 and document["padding"]
    judge = new_judge(models.write_json(tmp_path, document))
    judge.check(["word " * 400], Options())


UNSUPPORTED = {
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]]},
    "normalizer": {"type": "NFKC"},
    "pre_tokenizer": {
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": "always",
        "split": True,
    },
    "post_processor": {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    },
}


@pytest.mark.parametrize("part", UNSUPPORTED)
def test_other_kinds_are_named_and_refused(part, driver, tmp_path):
    document = models.small_json()
    document[part] = UNSUPPORTED[part]
    loaded = driver.load(251, models.write_json(tmp_path, document))
    assert loaded.status == "UNSUPPORTED", loaded
    assert UNSUPPORTED[part]["type"] in loaded.error


@pytest.mark.parametrize("part", ("normalizer", "pre_tokenizer"))
def test_a_missing_part_is_equal_or_refused(part, new_judge, driver, tmp_path):
    document = copy.deepcopy(models.small_json())
    document[part] = None
    judge = _load_or_unsupported(new_judge, driver, models.write_json(tmp_path, document), True)
    if judge:
        judge.check(texts.random_texts(texts.everything, 300, part), Options())
