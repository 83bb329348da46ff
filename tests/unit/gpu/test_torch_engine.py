"""The torch engine on traces of every kind, through the C boundary (engine_probe)."""

import json
import os
import pathlib
import subprocess

import numpy
import pytest
import torch

import engine_files
import trace_kinds as traces
from trace_kinds import BATCH, LENGTH, VOCABULARY, WIDTH

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", ROOT / "build"))
DEVICE = os.environ.get("FERRY_TEST_DEVICE", "cpu")
THREE = "ids:int64,mask:int64,type_ids:int64"


class Probe:
    """A traced model in a folder, and engine_probe's answers about it."""

    def __init__(self, folder):
        self.folder = folder
        self.options = {
            "model": folder / "model.pt", "inputs": THREE, "pooling": "mean",
            "output-shape": "tokens", "traced-batch": BATCH, "traced-length": LENGTH,
            "max-length": LENGTH, "width": WIDTH, "vocabulary-size": VOCABULARY, "pad-id": 0,
            "device": DEVICE, "tolerance": "1e-4",
        }  # fmt: skip

    def trace(self, module, inputs=3, batch=BATCH, length=LENGTH, dtype=torch.long, **options):
        example = inputs
        if isinstance(inputs, int):
            example = traces.example_inputs(batch, length, inputs, dtype)
        traces.save_trace(module, self.folder / "model.pt", example)
        self.options |= {"traced-batch": batch, "traced-length": length}
        return self.set(**options)

    def set(self, **options):
        self.options |= {name.replace("_", "-"): value for name, value in options.items()}
        return self

    def golden(self, sequences, rows):
        path = self.folder / "golden"
        flat = [row.flatten().tolist() for row in rows]
        engine_files.write_golden(
            path, [(ids, types, row) for (ids, types), row in zip(sequences, flat)]
        )
        return self.set(golden=path)

    def run(self, sequences=None, environment=None, **options):
        """The JSON answer; with sequences, also rows: one array a sequence."""
        arguments = self.options | {name.replace("_", "-"): v for name, v in options.items()}
        if sequences is not None:
            engine_files.write_sequences(self.folder / "sequences", sequences)
            arguments |= {"sequences": self.folder / "sequences", "rows": self.folder / "rows"}
        command = [BUILD / "engine_probe", "--engine", BUILD / "libferry_torch.so"]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120,
                                env=os.environ | (environment or {}))  # fmt: skip
        assert result.returncode == 0, result.stderr
        answer = json.loads(result.stdout)
        self.log = result.stderr
        if answer.get("run") == "OK" and "repeat" not in options:
            answer["rows"] = self.read_rows(sequences, answer)
        return answer

    def read_rows(self, sequences, answer):
        flat = numpy.fromfile(self.folder / "rows", dtype=numpy.float32)
        counts = [len(ids) if answer["rows_per_token"] else 1 for ids, _ in sequences]
        ends = numpy.cumsum([count * answer["width"] for count in counts])
        assert len(flat) == ends[-1]
        return numpy.split(flat, ends[:-1])


@pytest.fixture
def probe(tmp_path):
    return Probe(tmp_path)


def worst(rows, expected):
    """NaN if there is one: Python's max() would lose it."""
    assert len(rows) == len(expected)
    return float(
        numpy.max([numpy.abs(row - other.numpy()).max() for row, other in zip(rows, expected)])
    )


def facts(answer):
    names = ["fixed_length", "fixed_batch", "equal_lengths_only", "padding_affects_result"]
    return tuple(answer[name] for name in names)


def test_any_batch_and_length(probe):
    sequences = traces.random_sequences(40, LENGTH, types=True)
    expected = traces.original_rows(sequences)
    answer = probe.trace(traces.Bert()).golden(sequences[:5], expected[:5]).run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    assert facts(answer) == (0, 0, False, False)
    assert (answer["engine"], answer["precision"], answer["device"]) == ("torch", "f32", DEVICE)
    assert answer["max_length"] == LENGTH and answer["pads"]
    assert worst(answer["rows"], expected) < 1e-5
    longest = max(len(ids) for ids, _ in sequences)
    assert answer["padded_tokens"] == sum(longest - len(ids) for ids, _ in sequences)


@pytest.mark.parametrize("company", range(4))
def test_any_company(probe, company):
    sequences = traces.random_sequences(1 + 11 * company, LENGTH, seed=company)
    answer = probe.trace(traces.Bert()).run(sequences)
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


def test_longer_than_traced_where_that_is_proven(probe):
    sequences = traces.random_sequences(6, 60)
    answer = probe.trace(traces.Bert()).set(max_length=60).run(sequences)
    assert answer["max_length"] == 60
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


def test_longer_than_the_position_table_is_not_used(probe):
    answer = probe.trace(traces.Bert()).set(max_length=100).run()
    assert (answer["load"], answer["max_length"]) == ("OK", LENGTH)


def test_fixed_length(probe):
    sequences = traces.random_sequences(9, LENGTH)
    expected = traces.original_rows(sequences)
    answer = probe.trace(traces.FixedLength()).golden(sequences, expected).run(sequences)
    assert facts(answer) == (LENGTH, 0, False, False)
    assert worst(answer["rows"], expected) < 1e-5
    assert answer["padded_tokens"] == sum(LENGTH - len(ids) for ids, _ in sequences)


def test_fixed_batch_is_filled_up(probe):
    sequences = traces.random_sequences(7, LENGTH)
    expected = traces.original_rows(sequences)
    answer = probe.trace(traces.FixedBatch(), batch=3).golden(sequences, expected).run(sequences)
    assert facts(answer) == (0, 3, False, False)
    assert worst(answer["rows"], expected) < 1e-5


def test_fixed_batch_and_length(probe):
    sequences = traces.random_sequences(4, LENGTH)
    answer = probe.trace(traces.FixedBoth(), batch=3).run(sequences)
    assert facts(answer) == (LENGTH, 3, False, False)
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5
    assert answer["padded_tokens"] == 6 * LENGTH - sum(len(ids) for ids, _ in sequences)


def test_without_mask_only_equal_lengths_share(probe):
    sequences = traces.random_sequences(12, LENGTH)
    expected = traces.original_rows(sequences)
    probe.trace(traces.WithoutMask(), inputs=1)
    answer = probe.set(inputs="ids:int64").golden(sequences[:4], expected[:4]).run(sequences)
    assert facts(answer) == (0, 0, True, False)
    # A batch that mixes lengths is cut, never padded.
    assert worst(answer["rows"], expected) < 1e-5 and answer["padded_tokens"] == 0


def test_without_mask_and_proof_the_traced_length_stays(probe):
    sequences = traces.random_sequences(5, LENGTH)
    answer = probe.trace(traces.WithoutMask(), inputs=1).set(inputs="ids:int64").run(sequences)
    assert facts(answer) == (LENGTH, 0, False, True)
    assert worst(answer["rows"], traces.padded_rows(sequences)) < 1e-5


def test_fixed_length_without_mask(probe):
    sequences = traces.random_sequences(8, LENGTH)
    padded = traces.padded_rows(sequences)
    probe.trace(traces.FixedLengthWithoutMask(), inputs=1).set(inputs="ids:int64")
    answer = probe.golden(sequences, padded).run(sequences)
    assert facts(answer) == (LENGTH, 0, False, True)
    assert worst(answer["rows"], padded) < 1e-5
    answer = probe.golden(sequences, traces.original_rows(sequences)).run()
    assert answer["load"] == "BAD_DATA" and "padded input" in answer["load_text"]


def test_a_mask_that_the_trace_ignores_is_found_out(probe):
    probe.trace(traces.MaskIgnored(), inputs=2).set(inputs="ids:int64,mask:int64")
    assert facts(probe.run()) == (LENGTH, 0, False, True)


def test_gpt2_traced_at_batch_one(probe):
    sequences = traces.random_sequences(5, LENGTH)
    expected = traces.original_rows(
        sequences,
        "last",
        lambda input_ids, token_type_ids, return_dict: traces.tiny_gpt2()(
            input_ids=input_ids, use_cache=False, return_dict=False
        ),
    )
    probe.trace(traces.Gpt2(1), inputs=1, batch=1).set(inputs="ids:int64", pooling="last")
    answer = probe.golden(sequences, expected).run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    assert worst(answer["rows"], expected) < 1e-5
    assert answer["padding_affects_result"] is False  # causal: what comes later changes nothing


@pytest.mark.parametrize("module, shape", [
    (traces.Bert, (2, LENGTH)), (traces.FixedLength, (2, LENGTH)), (traces.FixedBatch, (3, LENGTH)),
    (traces.FixedBoth, (3, LENGTH))])  # fmt: skip
def test_unknown_traced_shape_is_found(probe, module, shape):
    sequences = traces.random_sequences(5, LENGTH)
    probe.trace(module(), batch=shape[0]).set(traced_batch=0, traced_length=0)
    answer = probe.run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    fixed_length = module in (traces.FixedLength, traces.FixedBoth)
    fixed_batch = module in (traces.FixedBatch, traces.FixedBoth)
    assert facts(answer) == (LENGTH * fixed_length, 3 * fixed_batch, False, False)
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


@pytest.mark.parametrize("dtype, name", [(torch.int32, "int32"), (torch.long, "int64")])
def test_input_dtypes(probe, dtype, name):
    sequences = traces.random_sequences(5, LENGTH)
    probe.trace(traces.Bert(), dtype=dtype).set(inputs=THREE.replace("int64", name))
    answer = probe.run(sequences)
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


def test_float_mask_and_positions_in_another_order(probe):
    sequences = traces.random_sequences(5, LENGTH)
    ids, mask, _ = traces.example_inputs(BATCH, LENGTH, 3)
    positions = torch.arange(LENGTH).expand(BATCH, LENGTH).contiguous()
    probe.trace(traces.WithPositions(), inputs=(positions, mask.float(), ids))
    answer = probe.set(inputs="positions:int64,mask:float32,ids:int64").run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    assert facts(answer) == (0, 0, False, False)
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


@pytest.mark.parametrize("pooling", ["none", "mean", "cls", "last", "max"])
@pytest.mark.parametrize("module", [traces.Bert, traces.FixedBoth])
def test_pooling(probe, module, pooling):
    sequences = traces.random_sequences(8, LENGTH)
    expected = traces.original_rows(sequences, pooling)
    batch = 3 if module is traces.FixedBoth else 2
    probe.trace(module(), batch=batch, pooling=pooling).golden(sequences, expected)
    answer = probe.run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    assert answer["rows_per_token"] == (pooling == "none")
    assert worst(answer["rows"], expected) < 1e-5


@pytest.mark.parametrize("module", [traces.Pooled, traces.AsDictionary])
def test_second_output_of_a_tuple_or_dictionary(probe, module):
    sequences = traces.random_sequences(5, LENGTH)
    bert = traces.tiny_bert()
    with torch.no_grad():
        expected = [bert(input_ids=torch.tensor([ids]), return_dict=False)[1][0]
                    for ids, _ in sequences]  # fmt: skip
    probe.trace(module()).set(output_index=1, output_shape="sequences", pooling="none")
    answer = probe.golden(sequences, expected).run(sequences)
    assert answer["load"] == "OK", answer["load_text"]
    assert worst(answer["rows"], expected) < 1e-5


@pytest.mark.parametrize("module, tolerance", [(traces.Half, 5e-3), (traces.BFloat16, 4e-2)])
def test_half_precision_outputs(probe, module, tolerance):
    sequences = traces.random_sequences(5, LENGTH)
    expected = traces.original_rows(sequences)
    probe.trace(module()).golden(sequences, expected).set(tolerance=tolerance)
    assert worst(probe.run(sequences)["rows"], expected) < tolerance


def test_width_is_found_out(probe):
    assert probe.trace(traces.Bert()).run(width=0)["width"] == WIDTH


def refused(answer, *parts, status="BAD_DATA"):
    assert answer["load"] == status, answer
    for part in parts:
        assert part in answer["load_text"], answer["load_text"]
    assert "Exception raised from" not in answer["load_text"]
    assert "frame #" not in answer["load_text"] and len(answer["load_text"]) < 450


def test_wrong_golden_rows(probe):
    sequences = traces.random_sequences(4, LENGTH)
    rows = traces.original_rows(sequences)
    rows[2][5] += 0.01
    answer = probe.trace(traces.Bert()).golden(sequences, rows).run()
    refused(answer, "golden row 2", "0.01", "tolerance is 0.0001")


def test_golden_rows_of_another_size(probe):
    sequences = traces.random_sequences(2, LENGTH)
    rows = [row[:-1] for row in traces.original_rows(sequences)]
    refused(probe.trace(traces.Bert()).golden(sequences, rows).run(), "golden row 0", "31", "32")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99, -1])
def test_truncated_file(probe, keep):
    probe.trace(traces.Bert())
    path = probe.folder / "model.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    refused(probe.run(), "model.pt", "not a complete TorchScript file")


def test_garbage_file(probe):
    probe.set(traced_batch=2)
    (probe.folder / "model.pt").write_bytes(bytes(range(256)) * 400)
    refused(probe.run(), "not a complete TorchScript file")


@pytest.mark.parametrize("inputs, count", [("ids:int64", 1), ("ids:int64,mask:int64", 2),
                                           (THREE + ",positions:int64", 4)])  # fmt: skip
def test_wrong_number_of_inputs(probe, inputs, count):
    answer = probe.trace(traces.Bert()).set(inputs=inputs).run()
    refused(answer, "takes 3 inputs (ids, mask, types)", f"lists {count} (ids")


def test_wrong_shape_names_the_input(probe):
    ids, mask, _ = traces.example_inputs(BATCH, LENGTH, 3)
    probe.trace(traces.Mask4D(), inputs=(ids, mask[:, None, None, :]))
    answer = probe.set(inputs="ids:int64,mask:int64").run()
    refused(answer, "input 'mask' (argument 'mask')", f"wants int64 [2, 1, 1, {LENGTH}]",
            f"given int64 [2, {LENGTH}]")  # fmt: skip


def test_wrong_dtype_names_the_input(probe):
    answer = probe.trace(traces.Bert()).set(inputs="ids:float32,mask:int64,type_ids:int64").run()
    refused(answer, "input 'ids'", f"wants int64 [2, {LENGTH}]", "given float32")


@pytest.mark.parametrize("module, given, wanted", [
    (traces.FixedLength, (2, 16), (2, LENGTH)), (traces.FixedBatch, (2, LENGTH), (3, LENGTH)),
    (traces.FixedBoth, (2, 16), (3, LENGTH))])  # fmt: skip
def test_wrong_traced_shape_in_the_manifest(probe, module, given, wanted):
    probe.trace(module(), batch=wanted[0]).set(traced_batch=given[0], traced_length=given[1])
    refused(probe.run(), "input 'ids'", f"wants [{wanted[0]}, {wanted[1]}]",
            f"given [{given[0]}, {given[1]}]")  # fmt: skip


def test_wrong_output_rank(probe):
    answer = probe.trace(traces.Pooled(), output_index=1).run()
    refused(answer, "output 1", f"[2, {WIDTH}]", f"wanted [2, {LENGTH}, ")


def test_missing_output(probe):
    refused(probe.trace(traces.Pooled(), output_index=2).run(), "no output 2")
    refused(probe.trace(traces.Bert(), output_index=1).run(), "no output 1")


def test_wrong_width(probe):
    refused(probe.trace(traces.Bert(), width=31).run(), "width 31", "gives 32")


def test_vocabulary_larger_than_the_table(probe):
    answer = probe.trace(traces.Bert(), vocabulary_size=VOCABULARY + 1).run()
    refused(answer, f"vocabulary_size {VOCABULARY + 1}")


def test_rows_that_influence_each_other(probe):
    answer = probe.trace(traces.RowsMix(), batch=3).run()
    refused(answer, "influence each other", status="UNSUPPORTED")


def test_not_a_number_fails_the_batch_alone(probe):
    good = ([5, 99, 7, 99, 3], [0] * 5)
    bad = ([5, 99, 99, 99, 99], [0] * 5)
    probe.trace(traces.NotANumberAtFour99())
    answer = probe.run([good, bad])
    assert answer["run"] == "ENGINE" and "row 1 of" in answer["run_text"]
    assert worst(probe.run([good])["rows"], traces.original_rows([good])) < 1e-5


@pytest.mark.parametrize("pooling", ["mean", "max", "none"])
def test_never_a_number(probe, pooling):
    refused(probe.trace(traces.NeverANumber(), pooling=pooling).run(), "not finite")


def test_workers_share_the_model(probe):
    """Every thread's rows equal the first one's; compared by engine_probe."""
    sequences = traces.random_sequences(30, LENGTH)
    answer = probe.trace(traces.Bert()).run(sequences, workers=4)
    assert answer["worst_between_workers"] == 0
    assert worst(answer["rows"], traces.original_rows(sequences)) < 1e-5


@pytest.mark.parametrize("ids, types, parts", [
    ([5, VOCABULARY, 7], [0, 0, 0], ["position 1", f"id {VOCABULARY}", f"of {VOCABULARY} ids"]),
    ([-1], [0], ["id -1"]),
    ([5, 6], [0, 2], ["position 1", "type id 2"]),
    ([5] * (LENGTH + 1), [0] * (LENGTH + 1), [f"{LENGTH + 1} ids", f"at most {LENGTH}"]),
    ([], [], ["no ids"])])  # fmt: skip
def test_input_out_of_range_never_reaches_the_model(probe, ids, types, parts):
    answer = probe.trace(traces.Bert()).run([([5, 6], [0, 0]), (ids, types)])
    assert answer["run"] == "INVALID_INPUT"
    for part in ["sequence 1", *parts]:
        assert part in answer["run_text"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_never_replaced_by_the_cpu(probe):
    probe.trace(traces.Bert())
    for device in ("cuda", "cuda:1"):
        refused(probe.run(device=device), "cuda:", "driver", status="UNSUPPORTED")
    for device in ("gpu", "c", "cuda0", "cuda:", "cuda:x", "cuda:1x", "cpu:0"):
        refused(probe.run(device=device), device, status="CONFIG")
    answer = probe.run(device="auto")
    assert answer["device"] == "cpu" and "device: cpu (auto: no NVIDIA driver" in probe.log


def test_a_cpu_model_loads_no_cuda_library(probe):
    probe.trace(traces.Bert()).run(device="cpu", environment={"LD_DEBUG": "files"})
    assert "libtorch_cpu.so" in probe.log
    assert "libtorch_cuda.so" not in probe.log and "libcublas" not in probe.log


def processor_is_amd():
    return "AuthenticAMD" in pathlib.Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize("wanted", [1, 0])
def test_mkl_asks_our_function_on_amd(probe, wanted):
    """The dynamic linker binds MKL's question to our answer, exactly where that is wanted."""
    probe.trace(traces.Bert())
    answer = probe.run(mkl_intel_path=wanted, environment={"LD_DEBUG": "bindings"})
    assert answer["load"] == "OK"
    bindings = [line for line in probe.log.splitlines() if "`mkl_serv_intel_cpu_true'" in line]
    ours = [line for line in bindings if "libferry_mkl_intel_path.so" in line.split(" to ")[-1]]
    asked = bool(wanted) and processor_is_amd()
    assert bool(ours) == asked and len(ours) == len(bindings) * asked


def test_memory_stays_flat_over_500_shapes(probe):
    sequences = traces.random_sequences(200, LENGTH)
    answer = probe.trace(traces.Bert()).run(sequences, repeat=500)
    assert answer["run"] == "OK"
    assert answer["resident_kib_late"] - answer["resident_kib_early"] < 4096
