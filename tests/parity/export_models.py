"""Small random encoders in Hugging Face directories, for the tests of the exporter, and a way to run
the exporter on them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tokenizers
import torch
import transformers
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

SOURCE_DIR = pathlib.Path(__file__).resolve().parent.parent.parent
EXPORTER = SOURCE_DIR / "tools" / "export" / "ferry-export"
sys.path.insert(0, str(EXPORTER.parent))

WORDS = "the ferry leaves at seven in morning ##s ##y dogs cat , . ? ! a b c ##a ##b ##c é".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
SMALL = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SMALL),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=SMALL["vocab_size"],
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=64,
        pad_token_id=0,
    ),
    "electra": lambda: transformers.ElectraConfig(**SMALL, embedding_size=16),
    "mobilebert": lambda: transformers.MobileBertConfig(
        **SMALL, embedding_size=16, true_hidden_size=16, intra_bottleneck_size=16
    ),
    "mpnet": lambda: transformers.MPNetConfig(**SMALL),
}


def write_tokenizer(folder, model_max_length=512, lowercase=True):
    """tokenizer.json with padding and truncation set, as training often leaves it."""
    ids = {token: place for place, token in enumerate(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.add_special_tokens(VOCABULARY[:5])
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_tokenizer_config(folder, model_max_length, lowercase)


def write_tokenizer_config(folder, model_max_length=512, lowercase=True):
    config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lowercase,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    if model_max_length is not None:
        config["model_max_length"] = model_max_length
    write_json(folder / "tokenizer_config.json", config)


def write_vocabulary(folder, lowercase=True):
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    write_tokenizer_config(folder, lowercase=lowercase)


def make_model(folder, kind="bert", model_max_length=512, **changes):
    """A Hugging Face directory with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    config = CONFIGS[kind]()
    for name, value in changes.items():
        setattr(config, name, value)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    write_tokenizer(folder, model_max_length)
    return folder


def make_sentence_model(folder, pooling=None, normalize=True, max_seq_length=None, **changes):
    """The same with the files of sentence-transformers. pooling: the content of its config.json."""
    make_model(folder, **changes)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if normalize:
        kinds.append(("2_Normalize", "Normalize"))
    write_modules(folder, kinds)
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", pooling or {"pooling_mode": "mean"})
    if max_seq_length is not None:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length})
    return folder


def write_modules(folder, kinds):
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)


def write_json(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def run_exporter(*arguments):
    """In this process, so that torch is imported once. Returns the exit code."""
    from ferry_export.command_line import main

    try:
        return main([os.fspath(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def run_exporter_process(*arguments, environment=None, expected_exit=0):
    """As a user starts it. Returns what it said on standard error."""
    result = subprocess.run(
        [sys.executable, EXPORTER, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **(environment or {})},
    )
    assert result.returncode == expected_exit, result.stdout + result.stderr
    return result.stderr


def export(source, target, *options):
    """Exports and returns the manifest."""
    assert run_exporter(source, "--output", target, *options) == 0
    return read_manifest(target)


def read_manifest(folder):
    return json.loads((folder / "ferry.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On a busy machine, threads that wait for each other are slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


GPT2 = {
    "vocab_size": 300,
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
    # Larger than the usual 0.02, so that the tokens differ in their chances.
    "initializer_range": 0.2,
}
END_OF_TEXT = "<|endoftext|>"


def byte_pair_tokenizer():
    """Byte-level BPE of GPT-2's kind with 300 tokens, the end of text first."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=GPT2["vocab_size"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END_OF_TEXT],
        show_progress=False,
    )
    texts = ["The ferry leaves at seven in the morning, and it's the ferry that leaves."] * 20
    backend.train_from_iterator(texts, trainer)
    return backend


def make_gpt2(folder, tokenizer=True, seed=7, **changes):
    """A Hugging Face directory of a GPT-2 with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = transformers.GPT2Config(**{**GPT2, **changes})
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    if tokenizer:
        byte_pair_tokenizer().save(str(folder / "tokenizer.json"))
    return folder
