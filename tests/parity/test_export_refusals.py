"""What the exporter refuses: with which exit code, for which reason, and without a trace on disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import types

import pytest
import safetensors.torch
import torch
from tokenizers import Tokenizer, models

from export_models import (
    EXPORTER,
    make_model,
    make_sentence_model,
    run_exporter,
    run_exporter_process,
    write_json,
    write_modules,
)

USAGE, BAD_DATA, NO_INPUT, UNAVAILABLE, CANNOT_CREATE, IO_ERROR = 64, 65, 66, 69, 73, 74


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Never changed: tests that spoil a model make their own."""
    return make_model(tmp_path_factory.mktemp("good") / "bert")


@pytest.fixture
def spoiled(tmp_path):
    return make_sentence_model(tmp_path / "source")


def refused(capsys, source, target, *options):
    """Exit code and reason; afterwards nothing may be there that was not there before."""
    before = sorted(target.parent.glob("*"))
    exit_code = run_exporter(source, "--output", target, *options)
    after = sorted(target.parent.glob("*"))
    assert after == before, "the exporter left something behind"
    return exit_code, capsys.readouterr().err


def edit_json(path, **changes):
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(changes)
    write_json(path, content)


def remove_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def make_tokenizer_byte_pair(folder):
    Tokenizer(models.BPE()).save(str(folder / "tokenizer.json"))


def make_tokenizer_unigram_normalizer(folder):
    edit_json(folder / "tokenizer.json", normalizer={"type": "NFKC"})


def break_tokenizer_json(folder):
    (folder / "tokenizer.json").write_text("{")


def make_decoder_only(folder):
    edit_json(folder / "config.json", model_type="gpt2")


def make_bert_decoder(folder):
    edit_json(folder / "config.json", is_decoder=True)


def remove_config(folder):
    (folder / "config.json").unlink()


def break_config(folder):
    (folder / "config.json").write_text("[]")


def remove_weights(folder):
    (folder / "model.safetensors").unlink()


def remove_one_weight(folder):
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def cut_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def shrink_vocabulary(folder):
    """The tokenizer of a larger model beside these weights."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"]["toomuch"] = 5000
    write_json(folder / "tokenizer.json", content)


def add_dense_module(folder):
    write_modules(folder, [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")])


def break_modules(folder):
    write_json(folder / "modules.json", [{"idx": 0}])


def remove_pooling(folder):
    (folder / "1_Pooling" / "config.json").unlink()


def pool_twice(folder):
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": ["cls", "mean"]})


def pool_weighted(folder):
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_weightedmean_tokens": True})


def limit_to_two_tokens(folder):
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 2})


@pytest.mark.parametrize(
    "spoil,expected_exit,words",
    [
        (remove_tokenizer, NO_INPUT, ("tokenizer.json", "vocab.txt")),
        (make_tokenizer_byte_pair, BAD_DATA, ("tokenizer.json", "BPE", "WordPiece")),
        (make_tokenizer_unigram_normalizer, BAD_DATA, ("normalizer", "NFKC", "BertNormalizer")),
        (break_tokenizer_json, BAD_DATA, ("tokenizer.json", "JSON")),
        (make_decoder_only, BAD_DATA, ("gpt2", "encoder")),
        (make_bert_decoder, BAD_DATA, ("decoder",)),
        (remove_config, NO_INPUT, ("config.json",)),
        (break_config, BAD_DATA, ("config.json", "object")),
        (remove_weights, NO_INPUT, ("model.safetensors",)),
        (remove_one_weight, BAD_DATA, ("encoder.layer.1.output.dense.weight",)),
        (cut_weights, BAD_DATA, ("cannot load the model",)),
        (shrink_vocabulary, BAD_DATA, ("5000", "do not belong together")),
        (add_dense_module, BAD_DATA, ("modules.json", "Dense")),
        (break_modules, BAD_DATA, ("modules.json",)),
        (remove_pooling, NO_INPUT, ("1_Pooling",)),
        (pool_twice, BAD_DATA, ("cls and mean",)),
        (pool_weighted, BAD_DATA, ("weightedmean",)),
        (limit_to_two_tokens, BAD_DATA, ("at least 3",)),
    ],
)
def test_wrong_models(spoiled, tmp_path, capsys, spoil, expected_exit, words):
    spoil(spoiled)
    exit_code, reason = refused(capsys, spoiled, tmp_path / "out" / "model")
    assert exit_code == expected_exit, reason
    for word in words:
        assert word in reason


@pytest.mark.parametrize(
    "options,expected_exit,words",
    [
        (("--length", "65"), USAGE, ("65", "64 positions")),
        (("--length", "2"), USAGE, ("at least 3",)),
        (("--length", "0"), USAGE, ("positive",)),
        (("--batch", "-1"), USAGE, ("positive",)),
        (("--tolerance", "nan"), USAGE, ("positive",)),
        (("--pooling", "median"), USAGE, ("median",)),
        (("--task", "classify"), BAD_DATA, ("classify", "not offered yet", "embed")),
        (("--task", "generate"), BAD_DATA, ("bert", "gpt2")),
        (("--task", "paint"), USAGE, ("no such task",)),
        (("--device", "cuda"), USAGE, ("cpu",)),
        (("--colour",), USAGE, ("--colour",)),
    ],
)
def test_wrong_options(good, tmp_path, capsys, options, expected_exit, words):
    exit_code, reason = refused(capsys, good, tmp_path / "model", *options)
    assert exit_code == expected_exit, reason
    for word in words:
        assert word in reason


def test_no_such_folder(tmp_path, capsys):
    exit_code, reason = refused(capsys, tmp_path / "nowhere", tmp_path / "model")
    assert exit_code == NO_INPUT and "nowhere: no such directory" in reason


def test_file_instead_of_folder(good, tmp_path, capsys):
    exit_code, reason = refused(capsys, good / "config.json", tmp_path / "model")
    assert exit_code == NO_INPUT and "is a file" in reason


def test_hub_name_without_the_hub(tmp_path):
    """Offline as a user sets it, with an empty cache: nothing is asked of any network."""
    reason = run_exporter_process(
        "nobody/no-such-model",
        "-o",
        tmp_path / "model",
        environment={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
        expected_exit=UNAVAILABLE,
    )
    assert "nobody/no-such-model: no such directory" in reason and "HF_HUB_OFFLINE" in reason
    assert "Traceback" not in reason and not (tmp_path / "model").exists()


def test_existing_model_is_kept(good, tmp_path, capsys):
    target = tmp_path / "model"
    assert run_exporter(good, "--output", target, "--length", "16") == 0
    before = (target / "ferry.json").read_bytes()
    exit_code, reason = refused(capsys, good, target, "--length", "20")
    assert exit_code == CANNOT_CREATE and "--overwrite" in reason
    assert (target / "ferry.json").read_bytes() == before


def test_foreign_folder_is_kept_even_with_overwrite(good, tmp_path, capsys):
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter1").write_text("years of work")
    exit_code, reason = refused(capsys, good, target, "--overwrite")
    assert exit_code == CANNOT_CREATE and "not a model directory" in reason
    assert (target / "chapter1").read_text() == "years of work"


def test_place_that_cannot_be_made(good, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    exit_code, _ = refused(capsys, good, tmp_path / "file" / "model")
    assert exit_code == CANNOT_CREATE


@pytest.mark.parametrize("second_step_fails", [False, True])
def test_a_file_system_that_cannot_exchange_folders(tmp_path, monkeypatch, second_step_fails):
    from ferry_export import model_directory

    target, rename = tmp_path / "model", os.rename
    target.mkdir()
    (target / "ferry.json").write_text("old")

    def rename_or_fail(source, place):
        if second_step_fails and place == target and source.name.endswith("draft"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, place)

    draft = tmp_path / "draft"
    draft.mkdir()
    (draft / "ferry.json").write_text("new")
    no_exchange = types.SimpleNamespace(renameat2=lambda *arguments: -1)
    monkeypatch.setattr(model_directory.ctypes, "CDLL", lambda *_, **__: no_exchange)
    monkeypatch.setattr(model_directory.os, "rename", rename_or_fail)
    if second_step_fails:
        with pytest.raises(OSError):
            model_directory.exchange(draft, target)
    else:
        model_directory.exchange(draft, target)
    there, aside = ("old", "new") if second_step_fails else ("new", "old")
    assert (target / "ferry.json").read_text() == there
    assert (draft / "ferry.json").read_text() == aside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft", "model"]


class AnswersByBatch(torch.nn.Module):
    """Has a branch that a trace bakes in: at any batch but the traced one it answers otherwise."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.inner(input_ids, attention_mask, token_type_ids)
        return output if input_ids.shape[0] == 2 else output + 0.001


def spoil_comparison(monkeypatch):
    from ferry_export import export as steps

    plain = steps.last_hidden_state
    spoiled = lambda *arguments: AnswersByBatch(plain(*arguments))
    monkeypatch.setattr(steps, "last_hidden_state", spoiled)


def test_trace_that_differs_is_refused(good, tmp_path, capsys, monkeypatch):
    spoil_comparison(monkeypatch)
    exit_code, reason = refused(capsys, good, tmp_path / "model", "--length", "16")
    assert exit_code == BAD_DATA and "differ by 0.001" in reason and "--tolerance" in reason


def test_tolerance_is_the_users_choice(good, tmp_path, monkeypatch):
    spoil_comparison(monkeypatch)
    assert (
        run_exporter(good, "-o", tmp_path / "model", "--length", "16", "--tolerance", "0.01") == 0
    )


def test_not_a_number_is_never_within_the_tolerance(spoiled, tmp_path, capsys):
    weights = safetensors.torch.load_file(spoiled / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"][0] = float("nan")
    safetensors.torch.save_file(weights, spoiled / "model.safetensors", {"format": "pt"})
    exit_code, reason = refused(capsys, spoiled, tmp_path / "out" / "model", "--tolerance", "1e9")
    assert exit_code == BAD_DATA and "nan" in reason


def test_not_a_number_at_one_shape_is_not_forgotten_at_the_next():
    from ferry_export.comparison import compare, require_agreement, shapes_to_compare
    from ferry_export.refusal import Refusal
    from ferry_export.tracing import Shape

    def original(ids, mask):
        return torch.zeros(*ids.shape, 4)

    def trace(ids, mask):
        return original(ids, mask) + (float("nan") if len(ids) == 2 else 0.0)

    traced = Shape(2, 8)
    names = ["input_ids", "attention_mask"]
    result = compare(trace, original, names, 100, 0, "cpu", shapes_to_compare(traced))
    with pytest.raises(Refusal, match="differ by nan"):
        require_agreement(result, traced, 1e9)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_halfway_leaves_nothing(good, tmp_path, number):
    """The signal comes as soon as the draft appears beside the target."""
    target = tmp_path / "out" / "model"
    process = subprocess.Popen(
        [sys.executable, EXPORTER, good, "-o", target], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (target.parent.exists() and any(target.parent.iterdir())):
        assert process.poll() is None and time.monotonic() < deadline, "no draft was seen"
        time.sleep(0.001)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number, errors
    assert list(target.parent.iterdir()) == []


def test_full_disk_leaves_nothing(good, tmp_path):
    """A limit on the size of files stands for a full disk."""
    target = tmp_path / "out" / "model"
    script = f"ulimit -f 32; exec {sys.executable} {EXPORTER} {good} -o {target}"
    result = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == IO_ERROR, result.stderr
    assert "File too large" in result.stderr and "Traceback" not in result.stderr
    assert not target.parent.exists() or list(target.parent.iterdir()) == []
