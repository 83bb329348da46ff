"""What the exporter writes: a trace that is the model, true facts, and golden rows that hold."""

import hashlib
import itertools
import json

import pytest
import torch
import transformers

from export_models import (
    CONFIGS,
    export,
    make_model,
    make_sentence_model,
    run_exporter_process,
    write_vocabulary,
)

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return make_sentence_model(tmp_path_factory.mktemp("source") / "bert", max_seq_length=48)


@pytest.fixture(scope="module")
def exported(bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    export(bert, folder)
    return folder


def manifest_of(folder):
    return json.loads((folder / "ferry.json").read_text(encoding="utf-8"))


def random_inputs(batch, length, seed=3):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 20, (batch, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[-1, max(1, length - 3) :] = 0
    return ids, mask, torch.zeros_like(ids)


def differences(trace, model, names, batch, length):
    inputs = dict(
        zip(("input_ids", "attention_mask", "token_type_ids"), random_inputs(batch, length))
    )
    chosen = {name: inputs[name] for name in names}
    with torch.no_grad():
        ours, theirs = trace(*chosen.values()), model(**chosen).last_hidden_state
    return (ours - theirs)[inputs["attention_mask"].bool()].abs().max().item()


def test_facts(exported):
    manifest = manifest_of(exported)
    assert manifest["format"] == "ferry-model/1"
    assert manifest["name"] == "small"
    assert manifest["task"] == "embed"
    assert [row["kind"] for row in manifest["inputs"]] == ["ids", "mask", "type_ids"]
    assert manifest["output"] == {"index": 0, "shape": "tokens"}
    assert (manifest["pooling"], manifest["normalize"], manifest["width"]) == ("mean", True, 32)
    assert manifest["traced"] == {"batch": 2, "length": 48}
    assert manifest["max_length"] == 48
    assert manifest["pad_id"] == 0
    assert manifest["tokenizer"] == {}
    assert manifest["made_by"]["transformers"] == transformers.__version__


def test_every_file_is_listed_with_its_digest(exported):
    files = manifest_of(exported)["files"]
    present = {path.name: path for path in exported.iterdir() if path.name != "ferry.json"}
    assert set(files) == set(present)
    assert {"model.pt", "tokenizer.json"} <= set(files)
    for name, facts in files.items():
        content = present[name].read_bytes()
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_trace_names_its_inputs(exported):
    trace = torch.jit.load(str(exported / "model.pt"))
    names = [argument.name for argument in trace.forward.schema.arguments]
    assert names == ["self", "input_ids", "attention_mask", "token_type_ids"]


@pytest.mark.parametrize("batch,length", [(1, 1), (1, 48), (2, 48), (5, 17), (3, 2)])
def test_trace_is_the_model_at_any_shape(bert, exported, batch, length):
    model = transformers.AutoModel.from_pretrained(bert).eval()
    trace = torch.jit.load(str(exported / "model.pt")).eval()
    names = ("input_ids", "attention_mask", "token_type_ids")
    assert differences(trace, model, names, batch, length) <= TOLERANCE


def test_golden_rows_are_the_original_models_answer(bert, exported):
    """Told anew from transformers alone: text to ids, ids to hidden states, mean over all tokens."""
    model = transformers.AutoModel.from_pretrained(bert).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    rows = manifest_of(exported)["golden"]["rows"]
    lengths = sorted(len(row["ids"]) for row in rows)
    assert len(rows) >= 8 and lengths[0] == 3 and lengths[-1] == 48
    assert any("pair" in row and 1 in row["type_ids"] for row in rows)
    for row in rows:
        pair = {"text_pair": row["pair"]} if "pair" in row else {}
        encoded = tokenizer(
            row["text"], **pair, truncation=True, padding=False, max_length=48, return_tensors="pt"
        )
        assert encoded["input_ids"][0].tolist() == row["ids"]
        assert encoded["token_type_ids"][0].tolist() == row["type_ids"]
        with torch.no_grad():
            expected = model(**encoded).last_hidden_state[0].mean(dim=0)
        assert torch.allclose(torch.tensor(row["expected"]), expected, atol=TOLERANCE, rtol=0)


def test_same_digest_every_time_and_no_paths_of_this_machine(bert, tmp_path):
    """In processes of their own: TorchScript numbers the classes that one process has traced."""
    for name in ("one", "two"):
        run_exporter_process(bert, "-o", tmp_path / name, "--name", "same")
    assert (tmp_path / "one" / "ferry.json").read_bytes() == (
        tmp_path / "two" / "ferry.json"
    ).read_bytes()
    content = (tmp_path / "one" / "model.pt").read_bytes()
    assert b"site-packages" not in content and b"ferry-export" not in content


@pytest.mark.parametrize(
    "fixed,batches,lengths",
    [("length", (1, 2, 4), (16,)), ("batch", (2,), (16, 9)), ("both", (2,), (16,))],
)
def test_fixed_trace_runs_at_its_own_shape_alone(bert, tmp_path, fixed, batches, lengths):
    manifest = export(bert, tmp_path / "fixed", f"--fixed={fixed}", "--length", "16")
    assert manifest["traced"] == {"batch": 2, "length": 16}
    trace = torch.jit.load(str(tmp_path / "fixed" / "model.pt")).eval()
    for batch, length in itertools.product((1, 2, 4), (9, 16)):
        answer = answer_shape(trace, batch, length)
        allowed = batch in batches and length in lengths
        assert (answer == (batch, length, 32)) == allowed, (batch, length, answer)


def answer_shape(trace, batch, length):
    """None when the trace does not run. One row is broadcast: the answer has another shape."""
    try:
        with torch.no_grad():
            return tuple(trace(*random_inputs(batch, length)).shape)
    except RuntimeError:
        return None


def test_traced_batch(bert, tmp_path):
    assert export(bert, tmp_path / "one", "--batch", "1")["traced"]["batch"] == 1


@pytest.mark.parametrize("kind", CONFIGS)
def test_architectures(kind, tmp_path):
    source = make_model(tmp_path / "source", kind)
    manifest = export(source, tmp_path / "model", "--length", "24")
    model = transformers.AutoModel.from_pretrained(source).eval()
    trace = torch.jit.load(str(tmp_path / "model" / "model.pt")).eval()
    arguments = {"ids": "input_ids", "mask": "attention_mask", "type_ids": "token_type_ids"}
    names = [arguments[row["kind"]] for row in manifest["inputs"]]
    assert ("token_type_ids" in names) == (kind not in ("distilbert", "mpnet"))
    for batch, length in ((1, 1), (2, 24), (4, 11)):
        assert differences(trace, model, names, batch, length) <= TOLERANCE
    assert manifest["width"] == len(manifest["golden"]["rows"][0]["expected"]) == 32


@pytest.mark.parametrize("lowercase", [True, False])
def test_vocabulary_file_instead_of_tokenizer_json(tmp_path, lowercase):
    source = make_model(tmp_path / "source")
    write_vocabulary(source, lowercase)
    manifest = export(source, tmp_path / "model", "--length", "24")
    assert "vocab.txt" in manifest["files"] and "tokenizer.json" not in manifest["files"]
    assert manifest["tokenizer"] == {
        "lowercase": lowercase,
        "strip_accents": lowercase,
        "clean_text": True,
        "handle_chinese_chars": True,
    }


def test_overwrite_replaces_the_whole_directory(bert, tmp_path):
    export(bert, tmp_path / "model", "--length", "16")
    (tmp_path / "model" / "leftover").write_text("of the old one")
    manifest = export(bert, tmp_path / "model", "--length", "20", "--overwrite")
    assert manifest["max_length"] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert not (tmp_path / "model" / "leftover").exists()
