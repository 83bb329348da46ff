"""vocab.json with merges.txt against transformers' GPT2Tokenizer and RobertaTokenizer, and rank files
against tiktoken."""

import base64
import json
import random
import shutil

import pytest
import tiktoken

import tokenizer_byte_level_texts as byte_texts
import tokenizer_gpt2
import tokenizer_small_bpe as small
import tokenizer_texts as texts
from tokenizer_client import Options
from tokenizer_oracle import Judge, Reference

SLOT = 252
END = tokenizer_gpt2.END_OF_TEXT
END_AS_OBJECT = {"__type": "AddedToken", "content": END, "lstrip": False, "normalized": True,
                 "rstrip": False, "single_word": False}  # fmt: skip
OTHER = {
    "content": "<x>",
    "lstrip": True,
    "normalized": False,
    "rstrip": True,
    "single_word": False,
    "special": False,
}
END_ADDED = {
    "content": END,
    "lstrip": False,
    "normalized": True,
    "rstrip": False,
    "single_word": False,
    "special": True,
}
GPT2_CONFIGURATIONS = {
    "plain": {},
    "fast": {"tokenizer_class": "GPT2TokenizerFast"},
    "prefix": {"add_prefix_space": True},
    "begin": {"add_bos_token": True, "add_prefix_space": True},
    "begin and end": {"add_bos_token": True, "add_eos_token": True, "bos_token": "<|begin|>"},
    "end": {"add_eos_token": True},
    "padding": {"pad_token": "<pad>", "additional_special_tokens": ["<x>", "<y>"]},
    "as an object": {"bos_token": END_AS_OBJECT, "pad_token": END_AS_OBJECT | {"content": "<p>", "lstrip": True}},
    "no unknown": {"unk_token": None},
    "added tokens": {"added_tokens_decoder": {"50257": OTHER, "50256": END_ADDED}},
    "added and named": {"added_tokens_decoder": {"50256": OTHER}, "pad_token": "<x>"},
    "limit": {"model_max_length": 8},
}  # fmt: skip
ROBERTA_CONFIGURATIONS = {
    "plain": {},
    "prefix": {"add_prefix_space": True},
    "not trimmed": {"trim_offsets": False},
    "mask": {"mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": False,
                            "rstrip": False, "single_word": False}},
    "other ends": {"cls_token": "<unk>", "sep_token": "<pad>"},
}  # fmt: skip


def _write(folder, words, configuration, others=()):
    tokenizer_gpt2.write_vocabulary_files(folder, words)
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    for name, value in dict(others).items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder


def _transformers(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer, Reference(tokenizer.backend_tokenizer)


def _check(driver, folder):
    loaded = driver.load(SLOT, folder)
    assert loaded.status == "OK", loaded.error
    tokenizer, reference = _transformers(folder)
    judge = Judge(driver, SLOT, reference)
    sample = byte_texts.mixed_texts(250, folder.name)
    sample += [
        "a<x>b <x> c",
        f"a {END} b",
        "<y><p> <p>x",
        "<|begin|> a <mask> b",
        "new <new> <other>",
    ]
    for options in (Options(), Options(special_as_text=True), Options(6, 1, windows=True)):
        judge.check(sample, options)
    judge.check(list(zip(sample, sample[9:])), Options(16, special=True))
    pad = tokenizer.pad_token_id
    assert loaded.pad_id == (-1 if pad is None else pad)


@pytest.mark.parametrize("name", GPT2_CONFIGURATIONS)
def test_gpt2(name, driver, tmp_path):
    configuration = {"tokenizer_class": "GPT2Tokenizer"} | GPT2_CONFIGURATIONS[name]
    _check(driver, _write(tmp_path, tokenizer_gpt2.vocabulary(), configuration))


@pytest.mark.parametrize("name", ROBERTA_CONFIGURATIONS)
def test_roberta(name, driver, tmp_path):
    configuration = {"tokenizer_class": "RobertaTokenizer"} | ROBERTA_CONFIGURATIONS[name]
    _check(driver, _write(tmp_path, tokenizer_gpt2.roberta_vocabulary(), configuration))


def test_older_files_beside_it(driver, tmp_path):
    others = {
        "added_tokens.json": {"<other>": 50258, "<new>": 50257},
        "special_tokens_map.json": {"bos_token": END, "pad_token": "<other>",
                                    "eos_token": END_AS_OBJECT | {"special": True}},
    }  # fmt: skip
    others["special_tokens_map.json"]["eos_token"].pop("__type")
    configuration = {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<not this one>"}
    _check(driver, _write(tmp_path, tokenizer_gpt2.vocabulary(), configuration, others))


def test_the_family_without_a_name(driver, tmp_path):
    for words, added in (
        (tokenizer_gpt2.vocabulary(), 0),
        (tokenizer_gpt2.roberta_vocabulary(), 2),
    ):
        folder = tokenizer_gpt2.write_vocabulary_files(tmp_path / str(added), words)
        for path in (folder, folder / "vocab.json"):
            loaded = driver.load(SLOT, path)
            assert (loaded.status, loaded.added_single) == ("OK", added), loaded


def test_another_class_is_named(driver, tmp_path):
    words = tokenizer_gpt2.vocabulary()
    loaded = driver.load(SLOT, _write(tmp_path, words, {"tokenizer_class": "CLIPTokenizer"}))
    assert loaded.status == "UNSUPPORTED" and "CLIPTokenizer" in loaded.error


def test_tokenizer_json_wins(driver, tmp_path):
    words = tokenizer_gpt2.vocabulary()
    folder = _write(tmp_path, words, {"tokenizer_class": "GPT2Tokenizer"})
    tokenizer_gpt2.write_json(folder, small.small_json())
    loaded = driver.load(SLOT, folder)
    assert loaded.status == "OK" and loaded.id_bound < 1000


# ---- rank files ----


def _encoding(ranks, specials):
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return tiktoken.Encoding(
        "ranks", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
    )


def _check_ranks(driver, path, encoding, sample):
    loaded = driver.load(SLOT, path)
    assert loaded.status == "OK", loaded.error
    assert loaded.id_bound == encoding.n_vocab
    for as_text in (False, True):
        answers = driver.encode(SLOT, sample, Options(special_as_text=as_text, offsets="none"))
        for text, answer in zip(sample, answers):
            allowed = set() if as_text else "all"
            expected = encoding.encode(text, allowed_special=allowed, disallowed_special=())
            assert memoryview(answer.windows[0].ids).cast("i").tolist() == expected, repr(text)
    rows = [encoding.encode(text, disallowed_special=()) for text in sample]
    assert driver.decode(SLOT, rows, False) == [("OK", text) for text in sample]


def test_gpt2_rank_file(driver, tmp_path):
    """Alone, and found in a directory whatever its name."""
    encoding = _encoding(tokenizer_gpt2.ranks(), {END: 50256})
    sample = (
        texts.english_fortunes()[::9]
        + texts.script_texts("Greek")[::5]
        + byte_texts.own_sources()[::4]
    )
    sample += [f"a{END}b", f"{END} {END}", "", " "]
    _check_ranks(driver, tokenizer_gpt2.rank_file(), encoding, sample)
    shutil.copy(tokenizer_gpt2.rank_file(), tmp_path / "anything.tiktoken")
    _check_ranks(driver, tmp_path, encoding, sample[:50])


@pytest.mark.parametrize("number", range(6))
def test_wild_ranks(number, driver, tmp_path, seed):
    """tiktoken merges whatever has a rank together, in the order of the ranks alone."""
    rng = random.Random(f"ranks {number} {seed}")
    tokens = [bytes([byte]) for byte in range(256)]
    for _ in range(rng.choice((10, 60, 400))):
        letters = [b"a", b"b", b" ", b"c"] + [token for token in tokens if 1 < len(token) < 6]
        tokens.append(rng.choice(letters) + rng.choice(letters))
    tokens = list(dict.fromkeys(tokens))
    rest = tokens[256:]
    rng.shuffle(rest)
    ranks = {token: rank for rank, token in enumerate(tokens[:256] + rest)}
    lines = [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]
    path = tmp_path / "wild.tiktoken"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    sample = [small.wild_text(rng) for _ in range(300)]
    _check_ranks(driver, path, _encoding(ranks, {}), sample)


def test_a_rank_file_of_another_family_is_named(driver, tmp_path):
    lines = [
        f"{base64.b64encode(number.to_bytes(3, 'big')).decode()} {number}"
        for number in range(70_000)
    ]
    (tmp_path / "cl100k.tiktoken").write_text("\n".join(lines), encoding="ascii")
    loaded = driver.load(SLOT, tmp_path)
    assert loaded.status == "UNSUPPORTED" and "pattern" in loaded.error, loaded


OTHER_TOKENS = {
    "a named one": {"image_token": "<img>"},
    "an object": {"extra_special_tokens": {"image_token": "<img>"}},
    "of the model": {"model_specific_special_tokens": {"image_token": "<img>"}},
}


@pytest.mark.parametrize("name", OTHER_TOKENS)
def test_special_tokens_that_would_be_lost_are_named(name, driver, tmp_path):
    """transformers makes one token of "<img>"; ferry does not, so it must not load such files."""
    folder = _write(tmp_path, tokenizer_gpt2.vocabulary(), OTHER_TOKENS[name])
    loaded = driver.load(SLOT, folder)
    assert loaded.status == "UNSUPPORTED" and "image_token" in loaded.error, loaded
    added = {"added_tokens_decoder": {"50257": OTHER | {"content": "<img>", "special": True}}}
    folder = _write(tmp_path, tokenizer_gpt2.vocabulary(), OTHER_TOKENS[name] | added)
    assert driver.load(SLOT, folder).status == "OK"


def test_a_huge_token_of_a_rank_file_is_refused(driver, tmp_path):
    path = tmp_path / "huge.tiktoken"
    path.write_text(f"{base64.b64encode(b'a' * 40000).decode()} 0\n")
    loaded = driver.load(SLOT, path)
    assert loaded.status == "UNSUPPORTED" and "base64" in loaded.error
