"""The steps of exporting a combined model: a TorchScript that holds a GPT-2 and its sampler."""

import os
import pathlib
import shutil
import types

from .causal_model import find_causal_source, load_causal_model, special_ids
from .combined_inputs import input_facts, output_index
from .combined_rows import combined_rows, wanted_rows
from .export_causal import (
    CausalFacts,
    checked_tokenizer,
    copy_tokenizer,
    facts_of,
    tokenizer_folder,
)
from .json_file import read_json_object_if_there
from .logits_trace import write_logits_trace
from .manifest import build_causal_manifest, write_manifest
from .model_directory import check_target, replacing
from .refusal import BAD_DATA, USAGE, Refusal
from .sampler import Sampler
from .trace_file import load_trace, save_trace
from .tracing import Shape
from .user_module import UserClass, find_user_class, script, script_user_class

FINISHED_SUFFIXES = (".pt", ".pth", ".ts")


def export_combined(chosen, report) -> None:
    """Raises Refusal; then nothing has been written."""
    target = pathlib.Path(os.path.abspath(chosen.output))
    check_target(target, chosen.overwrite)
    finished = pathlib.Path(chosen.model).expanduser()
    if finished.is_file() and finished.suffix in FINISHED_SUFFIXES:
        return export_finished(finished, target, chosen, report)
    user = find_user_class(chosen.module) if chosen.module else None
    source = find_causal_source(chosen.model, chosen.revision)
    model = load_causal_model(source, chosen.seed, report)
    facts = facts_of(model, source, chosen, report)
    with replacing(target, chosen.overwrite) as draft:
        write_logits_trace(draft / "model.pt", model, facts.max_length, chosen, report)
        scripted, inputs, index = combine(load_trace(draft / "model.pt"), facts, user)
        save_trace(scripted, draft / "model.pt")
        finish(draft, target, inputs, index, facts, chosen, report)


def combine(traced, facts: CausalFacts, user: UserClass | None):
    """The trace with a sampler around it, its inputs and the index of its output."""
    if user is not None:
        return script_user_class(user, traced)
    sampler = Sampler(traced, facts.special["end_ids"], facts.max_length).eval()
    scripted = script(sampler, pathlib.Path(__file__).with_name("sampler.py"), {})
    schema = scripted.forward.schema
    return scripted, input_facts(schema, "the sampler"), output_index(schema, "the sampler")


def export_finished(path: pathlib.Path, target: pathlib.Path, chosen, report) -> None:
    """The file goes into the model directory as it is."""
    if chosen.module:
        raise Refusal(
            USAGE, f"--module: {path} is finished already; give the model without sampler"
        )
    model = load_finished(path)
    schema = model.forward.schema
    inputs, index = input_facts(schema, path.name), output_index(schema, path.name)
    facts = finished_facts(path, model, chosen, report)
    with replacing(target, chosen.overwrite) as draft:
        shutil.copyfile(path, draft / "model.pt")
        finish(draft, target, inputs, index, facts, chosen, report)


def load_finished(path: pathlib.Path):
    try:
        model = load_trace(path)
    except Exception as error:  # torch raises many kinds for a file that it cannot read
        first = str(error).strip().splitlines()[0]
        raise Refusal(
            BAD_DATA,
            f"{path}: torch.jit.load cannot read it; a TorchScript made by torch.jit.save is "
            f"expected, no state_dict and no pickle: {first}",
        ) from None
    if not hasattr(model, "forward"):
        raise Refusal(BAD_DATA, f"{path}: the module has no forward")
    return model


def finished_facts(path: pathlib.Path, model, chosen, report) -> CausalFacts:
    """From the weights, where they bear GPT-2's names, else from the command line."""
    sizes = {
        name.rsplit(".", 2)[-2]: parameter.shape[0]
        for name, parameter in model.named_parameters()
        if name.endswith((".wte.weight", ".wpe.weight"))
    }
    vocabulary_size = chosen.vocabulary_size or sizes.get("wte")
    max_length = chosen.length or sizes.get("wpe")
    if vocabulary_size is None or max_length is None:
        raise Refusal(
            USAGE,
            f"{path}: no embedding named wte and wpe says how many ids and positions there are; "
            "give --vocabulary-size N and --length N",
        )
    if "wpe" in sizes and max_length > sizes["wpe"]:
        raise Refusal(USAGE, f"--length {max_length}: the model has only {sizes['wpe']} positions")
    if max_length < 2:
        raise Refusal(USAGE, f"{path}: at least 2 positions are needed")
    folder = tokenizer_folder(chosen.tokenizer)
    special = {"end_ids": []}
    if folder is not None:
        config = read_json_object_if_there(folder / "config.json")
        ids = types.SimpleNamespace(
            bos_token_id=config.get("bos_token_id"), eos_token_id=config.get("eos_token_id")
        )
        special = special_ids(folder, ids, vocabulary_size, report)
    tokenizer = checked_tokenizer(folder, vocabulary_size, report)
    return CausalFacts(vocabulary_size, max_length, 0, special, tokenizer)


def finish(draft, target, inputs, index, facts: CausalFacts, chosen, report) -> None:
    """Runs the file as it was written and writes down what it answers."""
    most = facts.max_length - 1
    cap = min(chosen.max_new_tokens or most, most)
    rows = wanted_rows(facts.tokenizer, facts, cap, inputs)
    shape, rows = combined_rows(
        draft / "model.pt", inputs, index, rows, facts, chosen.time_limit, report
    )
    copy_tokenizer(facts.tokenizer, draft)
    traced = Shape(1, facts.max_length)  # one sequence at a time, of any length
    manifest = build_causal_manifest(
        chosen,
        target.name,
        facts,
        traced,
        rows,
        decode="module",
        inputs=inputs,
        output={"index": index, "shape": shape},
        max_new_tokens=cap,
    )
    write_manifest(draft, manifest)
    kinds = ", ".join(fact["kind"] for fact in inputs)
    report(f"{target}: a combined model that takes {kinds} and returns {shape}, n up to {cap}")
