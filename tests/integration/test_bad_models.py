"""A model directory that is not what it says: ferryd refuses to start, and names file and reason."""

import json
import shutil

import pytest

from daemon_process import Daemon, run_until_exit
from model_folders import WIDTH, digest, make_fake, read_manifest, write_manifest

DATA_ERROR, NO_INPUT, CONFIG_ERROR, USAGE = 65, 66, 78, 64


def refused(folder, exit_codes, *words):
    code, log = run_until_exit([folder])
    assert code in exit_codes, f"exit code {code}:\n{log}"
    for word in words:
        assert word in log, f"{word!r} is not in:\n{log}"


@pytest.fixture
def fake_copy(scratch, request):
    folder = make_fake(scratch / f"bad-{abs(hash(request.node.name)) % 10**8}")
    yield folder
    shutil.rmtree(folder)


def test_missing_directory(scratch):
    refused(scratch / "nosuch", {NO_INPUT}, "nosuch")


def test_directory_without_manifest(fake_copy):
    (fake_copy / "ferry.json").unlink()
    refused(fake_copy, {NO_INPUT}, "ferry.json")


def test_manifest_that_is_no_json(fake_copy):
    (fake_copy / "ferry.json").write_text('{"format": "ferry-model/1", ')
    refused(fake_copy, {DATA_ERROR}, "ferry.json", "line")


CHANGES = {
    "other format": ({"format": "ferry-model/9"}, "ferry-model/9"),
    "unknown engine": ({"engine": "steam"}, "steam"),
    "unknown pooling": ({"pooling": "median"}, "median"),
    "unknown task": ({"task": "juggle"}, "juggle"),
    "length 0": ({"max_length": 0}, "max_length"),
    "length as text": ({"max_length": "256"}, "max_length"),
    "width negative": ({"width": -1}, "width"),
    "unknown key": ({"poolign": "mean"}, "poolign"),
    "unknown input": ({"inputs": [{"kind": "tokens", "dtype": "int64"}]}, "tokens"),
    "no inputs": ({"inputs": []}, "inputs"),
    "vocabulary smaller than the tokenizer's": ({"vocabulary_size": 100}, "vocabulary"),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
def test_wrong_manifest_names_the_field(fake_copy, case):
    changes, word = case
    write_manifest(fake_copy, {**read_manifest(fake_copy), **changes})
    refused(fake_copy, {DATA_ERROR, 69}, "ferry.json", word)


def test_wrong_digest_names_the_file_and_both_digests(fake_copy):
    right = digest(fake_copy / "tokenizer.json")["sha256"]
    manifest = read_manifest(fake_copy)
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    manifest["files"]["tokenizer.json"]["sha256"] = wrong
    write_manifest(fake_copy, manifest)
    refused(fake_copy, {DATA_ERROR}, "tokenizer.json", right, wrong)


def test_changed_tokenizer_file_is_noticed(fake_copy):
    with open(fake_copy / "tokenizer.json", "a") as file:
        file.write("\n")
    refused(fake_copy, {DATA_ERROR}, "tokenizer.json")


def test_broken_tokenizer_file_is_named(fake_copy):
    (fake_copy / "tokenizer.json").write_text('{"model": {"type": "WordPiece", "vocab": 7}}')
    manifest = read_manifest(fake_copy)
    manifest["files"]["tokenizer.json"] = digest(fake_copy / "tokenizer.json")
    write_manifest(fake_copy, manifest)
    refused(fake_copy, {DATA_ERROR}, "tokenizer.json")


def test_file_names_cannot_leave_the_directory(fake_copy):
    manifest = read_manifest(fake_copy)
    manifest["files"]["../../etc/passwd"] = {"sha256": "0" * 64, "bytes": 1}
    write_manifest(fake_copy, manifest)
    refused(fake_copy, {DATA_ERROR}, "../../etc/passwd")


def test_unknown_option_and_unusable_endpoint(fake_model):
    code, log = run_until_exit([fake_model], ["--no-such-option"])
    assert code == USAGE and "no-such-option" in log
    code, log = run_until_exit([fake_model], ["--listen", "tcp://0.0.0.0:45991"])
    assert code == CONFIG_ERROR and "loopback" in log
    long_path = "ipc:///tmp/" + "x" * 120
    code, log = run_until_exit([fake_model], ["--listen", long_path])
    assert code == CONFIG_ERROR and "107" in log


def copy_of_minilm(minilm_model, scratch, name):
    folder = scratch / name
    shutil.copytree(minilm_model, folder)
    return folder


@pytest.mark.torch
def test_truncated_model_file(minilm_model, scratch):
    folder = copy_of_minilm(minilm_model, scratch, "cut")
    file = folder / "model.pt"
    with open(file, "r+b") as opened:
        opened.truncate(file.stat().st_size // 2)
    refused(folder, {DATA_ERROR}, "model.pt")
    # The same with a manifest that agrees: now the engine itself must notice.
    manifest = read_manifest(folder)
    manifest["files"]["model.pt"] = digest(file)
    write_manifest(folder, manifest)
    refused(folder, {DATA_ERROR}, "model.pt")
    shutil.rmtree(folder)


@pytest.mark.torch
def test_one_flipped_bit_in_the_model_file(minilm_model, scratch):
    folder = copy_of_minilm(minilm_model, scratch, "flip")
    data = bytearray((folder / "model.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.pt").write_bytes(data)
    refused(folder, {DATA_ERROR}, "model.pt", "sha256")
    shutil.rmtree(folder)


@pytest.mark.torch
def test_golden_rows_that_the_model_does_not_give(minilm_model, scratch):
    folder = copy_of_minilm(minilm_model, scratch, "golden")
    manifest = json.loads((folder / "ferry.json").read_text())
    assert manifest["golden"]["rows"], "the exporter wrote no golden rows"
    manifest["golden"]["rows"][0]["expected"][0] += 0.5
    write_manifest(folder, manifest)
    refused(folder, {DATA_ERROR}, "golden")
    shutil.rmtree(folder)


@pytest.mark.torch
def test_tokenizer_that_is_not_the_original_models(scratch):
    rows = [{"text": "Ferry", "ids": [101, 7115, 102], "expected": [0.0] * WIDTH}]
    golden = {"tolerance": 1e-4, "rows": rows}
    right = make_fake(scratch / "right-ids", golden=golden)
    with Daemon([right]):
        pass
    wrong = make_fake(scratch / "wrong-ids", golden=golden, tokenizer={"lowercase": False})
    refused(wrong, {DATA_ERROR}, "golden.rows[0]", "tokenizer")


def test_inputs_that_do_not_fit_the_trace_are_named(minilm_model, scratch):
    folder = copy_of_minilm(minilm_model, scratch, "inputs")
    manifest = read_manifest(folder)
    inputs = manifest["inputs"]
    manifest["inputs"] = inputs[:2]
    write_manifest(folder, manifest)
    refused(folder, {DATA_ERROR}, "model.pt", "3 inputs", "ids, mask")
    manifest["inputs"] = [{"kind": "ids", "dtype": "float32"}, *inputs[1:]]
    write_manifest(folder, manifest)
    refused(folder, {DATA_ERROR}, "model.pt", "ids", "float32")
    shutil.rmtree(folder)
