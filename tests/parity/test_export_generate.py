"""Exports of GPT-2 for score and generate: a trace that is the model, true facts, true golden rows."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
import safetensors.torch
import tokenizers
import torch
import transformers

from export_models import (
    END_OF_TEXT,
    EXPORTER,
    GPT2,
    SOURCE_DIR,
    byte_pair_tokenizer,
    export,
    make_gpt2,
    one_thread,
    read_manifest,
    run_exporter,
    write_json,
)

USAGE, BAD_DATA, NO_INPUT = 64, 65, 66
LENGTH = GPT2["n_positions"]
TASK = ("--task", "generate")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Never changed: tests that spoil a model copy it."""
    return make_gpt2(tmp_path_factory.mktemp("source") / "gpt2")


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    export(source, folder, *TASK)
    return folder


@pytest.fixture
def spoiled(source, tmp_path):
    return shutil.copytree(source, tmp_path / "source")


def load(folder):
    return torch.jit.load(str(folder / "model.pt")).eval()


def original(folder):
    return transformers.GPT2LMHeadModel.from_pretrained(folder).eval()


def random_ids(batch, length, vocabulary=300):
    generator = torch.Generator().manual_seed(batch * 1000 + length)
    return torch.randint(0, vocabulary, (batch, length), generator=generator)


def difference(trace, model, batch, length):
    ids = random_ids(batch, length)
    with torch.no_grad():
        ours, theirs = trace(ids), model(ids).logits
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max().item()


def check_rows(manifest, model):
    """Told anew from transformers alone."""
    for row in manifest["golden"]["rows"]:
        ids = torch.tensor([row["ids"]])
        with torch.no_grad():
            table = model(ids).logits[0].log_softmax(dim=-1)
        expected = [table[place, one].item() for place, one in enumerate(row["ids"][1:])]
        assert row["expected"] == pytest.approx(expected, abs=2e-5)
        assert len(row["expected"]) == len(row["ids"]) - 1 > 0


def edit_json(path, **changes):
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(changes)
    write_json(path, content)


def refused(capsys, source, target, *options):
    exit_code = run_exporter(source, "-o", target, *options)
    assert not target.exists(), "the exporter left something behind"
    return exit_code, capsys.readouterr().err


def test_facts(exported):
    manifest = read_manifest(exported)
    expected = {
        "format": "ferry-model/1",
        "name": "small",
        "task": "generate",
        "engine": "torch",
        "inputs": [{"kind": "ids", "dtype": "int64"}],
        "output": {"index": 0, "shape": "logits"},
        "pooling": "none",
        "normalize": False,
        "width": 300,
        "traced": {"batch": 2, "length": LENGTH},
        "max_length": LENGTH,
        "vocabulary_size": 300,
        "pad_id": 0,
        "begin_id": 0,
        "end_ids": [0],
        "tokenizer": {},
    }
    assert {key: manifest.get(key) for key in expected} == expected
    assert "decode" not in manifest
    assert set(manifest["files"]) == {"model.pt", "tokenizer.json"}
    assert manifest["golden"]["tolerance"] == 1e-4


@pytest.mark.parametrize("batch,length", [(1, 1), (1, LENGTH), (2, 64), (3, LENGTH), (5, 17)])
def test_trace_is_the_model_at_any_shape(source, exported, batch, length):
    assert difference(load(exported), original(source), batch, length) <= 1e-5


def test_a_moderate_trace_serves_every_length(tmp_path):
    source = make_gpt2(tmp_path / "source", tokenizer=False, n_positions=100)
    manifest = export(source, tmp_path / "model", *TASK)
    assert manifest["traced"] == {"batch": 2, "length": 64} and manifest["max_length"] == 100
    for length in (1, 65, 100):
        assert difference(load(tmp_path / "model"), original(source), 2, length) <= 1e-5


def test_the_full_length_where_a_moderate_trace_would_not_do(tmp_path, monkeypatch):
    """A branch that a trace bakes in: longer than 64, the model answers otherwise."""
    from ferry_export import logits_trace

    class AnswersByLength(logits_trace.Logits):
        def forward(self, input_ids):
            logits = super().forward(input_ids)
            return logits if input_ids.shape[1] <= 64 else logits + 1.0

    monkeypatch.setattr(logits_trace, "Logits", AnswersByLength)
    source = make_gpt2(tmp_path / "source", tokenizer=False, n_positions=80)
    assert run_exporter(source, "-o", tmp_path / "model", *TASK) == 65  # neither agrees with all
    monkeypatch.setattr(logits_trace, "shapes_to_compare", lambda shape: [shape])
    assert export(source, tmp_path / "model", *TASK)["traced"]["length"] == 80


def test_golden_rows_are_the_original_models_answer(source, exported):
    manifest = read_manifest(exported)
    check_rows(manifest, original(source))
    rows = manifest["golden"]["rows"]
    lengths = [len(row["ids"]) for row in rows]
    assert len(set(lengths)) >= 4 and min(lengths) <= 3 and max(lengths) == LENGTH
    # Far from what a model without knowledge says: a wrong computation is seen.
    assert max(max(row["expected"]) for row in rows) - min(min(row["expected"]) for row in rows) > 1
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    for row in rows:
        assert tokenizer(row["text"]).input_ids[:LENGTH] == row["ids"]
    assert any(END_OF_TEXT in row["text"] and 0 in row["ids"] for row in rows)


def test_tied_weights_stay_one(source, exported):
    trace = load(exported)
    assert trace.model.lm_head.weight.data_ptr() == trace.model.transformer.wte.weight.data_ptr()
    size = sum(one.numel() * 4 for one in original(source).parameters())
    assert (exported / "model.pt").stat().st_size < size + 60_000 + GPT2["vocab_size"] * 4


def test_untied_weights(tmp_path):
    source = make_gpt2(tmp_path / "source", tokenizer=False, tie_word_embeddings=False)
    manifest = export(source, tmp_path / "model", "--task", "score")
    assert manifest["task"] == "score"
    check_rows(manifest, original(source))


EXPORT_TWICE = """\
import sys
sys.path.insert(0, sys.argv[1])
from ferry_export.command_line import main
for name, *options in (["plain"], ["combined", "--combined"]):
    main([sys.argv[2], "-o", f"{sys.argv[3]}/{name}", "--task", "generate", *options])
"""


def test_same_digest_on_every_run(source, tmp_path):
    """In two processes, and from a copy elsewhere; nothing of this machine is in the file."""
    copy = shutil.copytree(source, tmp_path / "copy")
    for place, model in (("a", source), ("b", copy)):
        command = [sys.executable, "-c", EXPORT_TWICE, EXPORTER.parent, model, tmp_path / place]
        subprocess.run(command, check=True, timeout=300)
    for name in ("plain", "combined"):
        first, second = tmp_path / "a" / name, tmp_path / "b" / name
        assert (first / "ferry.json").read_bytes() == (second / "ferry.json").read_bytes()
        with zipfile.ZipFile(first / "model.pt") as records:
            assert not any(one.endswith(".debug_pkl") for one in records.namelist())
            content = b"".join(records.read(one) for one in records.namelist())
        for words in (b"site-packages", bytes(tmp_path), bytes(SOURCE_DIR)):
            assert words not in content


def test_plain_trace_is_bound_and_said_so(source, tmp_path, capsys):
    manifest = export(source, tmp_path / "model", *TASK, "--plain")
    said = capsys.readouterr().err
    assert manifest["traced"] == {"batch": 1, "length": LENGTH}
    assert f"does not run at 2×{LENGTH}" in said
    trace, model = load(tmp_path / "model"), original(source)
    assert difference(trace, model, 1, LENGTH) <= 1e-5
    assert difference(trace, model, 1, 9) <= 1e-5
    with pytest.raises(RuntimeError):
        trace(random_ids(2, LENGTH))


@pytest.mark.parametrize("fixed,batch,length", [("length", 3, 64), ("both", 2, 64)])
def test_bound_traces(source, tmp_path, fixed, batch, length):
    export(source, tmp_path / "model", *TASK, f"--fixed={fixed}")
    trace = load(tmp_path / "model")
    assert difference(trace, original(source), batch, length) <= 1e-5
    with pytest.raises(RuntimeError):
        trace(random_ids(3, 7))


def test_config_alone(source, tmp_path, capsys):
    """As music models come: random weights of a seed, ids in and ids out."""
    folder = tmp_path / "midi"
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    manifest = export(folder, tmp_path / "a", *TASK)
    said = capsys.readouterr().err
    assert "RANDOM WEIGHTS" in said and "seed 0" in said and "no tokenizer" in said
    assert set(manifest["files"]) == {"model.pt"}
    rows = manifest["golden"]["rows"]
    assert len(rows) >= 4 and not any("text" in row for row in rows)
    assert max(len(row["ids"]) for row in rows) == LENGTH
    trace = load(tmp_path / "a")
    with torch.no_grad():
        assert trace(random_ids(3, 11)).shape == (3, 11, 300)
    by_file = export(folder / "config.json", tmp_path / "b", *TASK)
    assert by_file["golden"] == manifest["golden"]
    other = export(folder, tmp_path / "c", *TASK, "--seed", "1")
    assert other["golden"] != manifest["golden"]


def test_config_file_beside_weights_is_said_loudly(source, tmp_path, capsys):
    manifest = export(source / "config.json", tmp_path / "model", *TASK)
    assert "RANDOM WEIGHTS" in capsys.readouterr().err
    assert "tokenizer.json" in manifest["files"]
    assert difference(load(tmp_path / "model"), original(source), 1, 5) > 1e-3


def test_length_of_the_command_line(source, tmp_path):
    manifest = export(source, tmp_path / "model", *TASK, "--length", "20")
    assert manifest["max_length"] == 20 and manifest["traced"]["length"] == 20
    assert max(len(row["ids"]) for row in manifest["golden"]["rows"]) == 20


@pytest.mark.parametrize(
    "generation,config,expected",
    [
        ({"eos_token_id": [5, 6, 5], "bos_token_id": 4}, {}, (4, [5, 6])),
        ({}, {"eos_token_id": 9, "bos_token_id": None}, (None, [9])),
        (None, {"eos_token_id": 50256, "bos_token_id": 50256}, (None, [])),
        (None, {"eos_token_id": None}, (0, [])),
    ],
)
def test_begin_and_end(spoiled, tmp_path, generation, config, expected):
    (spoiled / "generation_config.json").unlink()
    if generation is not None:
        write_json(spoiled / "generation_config.json", generation)
    edit_json(spoiled / "config.json", **config)
    manifest = export(spoiled, tmp_path / "model", *TASK)
    assert (manifest.get("begin_id"), manifest["end_ids"]) == expected


def test_vocabulary_and_merges(spoiled, tmp_path):
    (spoiled / "tokenizer.json").unlink()
    byte_pair_tokenizer().model.save(str(spoiled))
    manifest = export(spoiled, tmp_path / "model", *TASK)
    assert set(manifest["files"]) == {"model.pt", "vocab.json", "merges.txt"}
    reference = transformers.AutoTokenizer.from_pretrained(spoiled)
    for row in manifest["golden"]["rows"]:
        assert reference(row["text"]).input_ids[:LENGTH] == row["ids"]
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "model" / name).read_bytes() == (spoiled / name).read_bytes()


def write_rank_file(path):
    """The same tokenizer as ranks; without special tokens, as tiktoken keeps them elsewhere."""
    from ferry_export.rank_file import byte_letters

    bytes_of = {letter: byte for byte, letter in byte_letters().items()}
    backend = byte_pair_tokenizer()
    tokens = [token for token, _ in sorted(backend.get_vocab().items(), key=lambda pair: pair[1])]
    tokens.remove(END_OF_TEXT)
    spelled = [bytes(bytes_of[letter] for letter in token) for token in tokens]
    lines = [f"{base64.b64encode(one).decode()} {rank}\n" for rank, one in enumerate(spelled)]
    path.write_text("".join(lines))


def test_rank_file(spoiled, tmp_path):
    (spoiled / "tokenizer.json").unlink()
    write_rank_file(spoiled / "small.tiktoken")
    manifest = export(spoiled, tmp_path / "model", *TASK)
    assert set(manifest["files"]) == {"model.pt", "small.tiktoken"}
    backend = byte_pair_tokenizer()
    for row in manifest["golden"]["rows"]:
        # The end of text, which is not in the file, has the id 0 in the other one.
        assert [one - 1 for one in backend.encode(row["text"]).ids[:LENGTH]] == row["ids"]


def test_tokenizer_from_elsewhere(source, spoiled, tmp_path):
    (spoiled / "tokenizer.json").unlink()
    manifest = export(spoiled, tmp_path / "model", *TASK, "--tokenizer", source)
    digest = hashlib.sha256((source / "tokenizer.json").read_bytes()).hexdigest()
    assert manifest["files"]["tokenizer.json"]["sha256"] == digest


def without_head(folder):
    edit_json(folder / "config.json", architectures=["GPT2Model"])


def another_family(folder):
    edit_json(folder / "config.json", model_type="llama")


def one_weight_less(folder):
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def other_weights(folder):
    (folder / "model.safetensors").rename(folder / "tf_model.h5")


def heads_that_do_not_fit(folder):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "config.json", n_head=5)


def smaller_model(folder):
    (folder / "model.safetensors").unlink()
    edit_json(folder / "config.json", vocab_size=270)


def added_token_after_a_gap(folder):
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"].append({**content["added_tokens"][0], "id": 299, "content": "<pad>"})
    write_json(folder / "tokenizer.json", content)


def larger_added_tokens(folder):
    write_json(folder / "added_tokens.json", {"<pad>": 777})


def part(name, value):
    def spoil(folder):
        edit_json(folder / "tokenizer.json", **{name: value})

    spoil.__name__ = f"{name}_{(value or {}).get('type')}"
    return spoil


def word_piece(folder):
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    backend.save(str(folder / "tokenizer.json"))


def prefix_space_twice(folder):
    write_json(folder / "tokenizer_config.json", {"add_prefix_space": True})


def many_ends(folder):
    write_json(folder / "generation_config.json", {"eos_token_id": list(range(17))})


def vocabulary_without_merges(folder):
    (folder / "tokenizer.json").unlink()
    write_json(folder / "vocab.json", {"a": 0})


def bad_ranks(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "x.tiktoken").write_text("no base64! 0\n")


def ranks_without_merges(folder):
    (folder / "tokenizer.json").unlink()
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256)]
    lines.append(f"{base64.b64encode(b'abc').decode()} 256\n")
    (folder / "x.tiktoken").write_text("".join(lines))


SPLIT = {"type": "Split", "pattern": {"Regex": " "}, "behavior": "Isolated", "invert": False}
ROBERTA = {
    "type": "RobertaProcessing",
    "sep": ["</s>", 2],
    "cls": ["<s>", 1],
    "trim_offsets": True,
    "add_prefix_space": False,
}


@pytest.mark.parametrize(
    "spoil,expected_exit,words",
    [
        (without_head, BAD_DATA, ("GPT2Model", "without the head", "GPT2LMHeadModel")),
        (another_family, BAD_DATA, ("llama", "gpt2")),
        (one_weight_less, BAD_DATA, ("transformer.h.1.mlp.c_fc.weight", "random numbers")),
        (other_weights, NO_INPUT, ("tf_model.h5", "model.safetensors", "config.json itself")),
        (heads_that_do_not_fit, BAD_DATA, ("config.json", "cannot make the model")),
        (smaller_model, BAD_DATA, ("only 270", "do not belong together")),
        (added_token_after_a_gap, BAD_DATA, ("<pad>", "299", "follow the vocabulary")),
        (larger_added_tokens, BAD_DATA, ("up to 777", "do not belong together")),
        (word_piece, BAD_DATA, ("WordPiece", "byte-level BPE")),
        (part("normalizer", {"type": "NFC"}), BAD_DATA, ("normalizer", "NFC")),
        (part("pre_tokenizer", SPLIT), BAD_DATA, ("pre_tokenizer", "Split", "GPT-2's pattern")),
        (part("post_processor", ROBERTA), BAD_DATA, ("RobertaProcessing", "special tokens")),
        (prefix_space_twice, BAD_DATA, ("add_prefix_space", "make them the same")),
        (many_ends, BAD_DATA, ("17 values of eos_token_id", "16")),
        (vocabulary_without_merges, NO_INPUT, ("merges.txt",)),
        (bad_ranks, BAD_DATA, ("x.tiktoken:1", "base64")),
        (ranks_without_merges, BAD_DATA, ("no merges", "256", "abc")),
    ],
)
def test_wrong_models(spoiled, tmp_path, capsys, spoil, expected_exit, words):
    spoil(spoiled)
    exit_code, reason = refused(capsys, spoiled, tmp_path / "model", *TASK)
    assert exit_code == expected_exit, reason
    for word in words:
        assert word in reason


@pytest.mark.parametrize(
    "options,words",
    [
        (("--task", "score", "--pooling", "mean"), ("--pooling", "no meaning")),
        (("--task", "score", "--no-normalize"), ("--normalize", "no meaning")),
        (("--task", "embed", "--plain"), ("--plain", "no meaning")),
        (("--task", "embed", "--combined"), ("--combined", "no meaning")),
        (("--task", "next"), ("--task score or generate",)),
        ((*TASK, "--seed", "-1"), ("-1",)),
        (("--task", "score", "--combined"), ("--combined", "score")),
        ((*TASK, "--module", "a.py:B"), ("--module", "--combined")),
        ((*TASK, "--max-new-tokens", "5"), ("--max-new-tokens", "--combined")),
        ((*TASK, "--plain", "--fixed"), ("one of them",)),
        ((*TASK, "--length", "65"), ("65", "64 positions")),
        ((*TASK, "--length", "1"), ("at least 2",)),
    ],
)
def test_wrong_options(source, tmp_path, capsys, options, words):
    exit_code, reason = refused(capsys, source, tmp_path / "model", *options)
    assert exit_code == USAGE, reason
    for word in words:
        assert word in reason


def test_no_such_tokenizer_folder(source, tmp_path, capsys):
    exit_code, reason = refused(
        capsys, source, tmp_path / "model", *TASK, "--tokenizer", tmp_path / "nowhere"
    )
    assert exit_code == NO_INPUT and "nowhere" in reason
