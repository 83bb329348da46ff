"""The steps of an export, in order."""

import os
import pathlib
import shutil

import torch

from .comparison import compare, require_agreement, shapes_to_compare
from .encoder import check_model_files, input_arguments, load_encoder
from .golden_rows import golden_rows
from .length_limit import choose_length, position_table_length
from .manifest import build_manifest, write_manifest
from .model_directory import check_target, replacing
from .model_source import find_model
from .refusal import BAD_DATA, Refusal
from .sentence_settings import read_sentence_settings
from .tokenizer_source import load_tokenizer
from .trace_file import load_trace, save_trace
from .tracing import Shape, bound_shape, example_inputs, last_hidden_state, trace_module


def export(chosen, report) -> None:
    """Raises Refusal; then nothing has been written."""
    target = pathlib.Path(os.path.abspath(chosen.output))
    check_target(target, chosen.overwrite)
    folder = find_model(chosen.model, chosen.revision)
    sentence = read_sentence_settings(folder)
    check_model_files(sentence.transformer_folder)
    tokenizer = load_tokenizer(sentence.transformer_folder, sentence.lowercase)
    model = load_encoder(sentence.transformer_folder, chosen.device)
    check_vocabulary(tokenizer, model.config)
    traced = Shape(chosen.batch, length_of(chosen, sentence, tokenizer, model.config, report))
    if sentence.default_prompt:
        report(f"note: ferry does not add the model's default prompt {sentence.default_prompt!r}")
    if chosen.pooling is None:
        chosen.pooling = sentence.pooling or "mean"
    if chosen.normalize is None:
        chosen.normalize = bool(sentence.normalize)

    with replacing(target, chosen.overwrite) as draft:
        write_model(draft, target, model, tokenizer, traced, chosen, report)
    report(
        f"{target}: pooling {chosen.pooling}, "
        f"{'normalized' if chosen.normalize else 'not normalized'}, "
        f"{model.config.hidden_size} numbers a vector"
    )


def length_of(chosen, sentence, tokenizer, config, report) -> int:
    length, source = choose_length(
        chosen.length,
        sentence.max_length,
        tokenizer.model_max_length,
        position_table_length(config),
        tokenizer.added_tokens(),
    )
    report(f"length {length} tokens, from {source}")
    return length


def write_model(draft, target, model, tokenizer, traced, chosen, report) -> None:
    """Fills the draft. What is compared with the original is the file as it was written."""
    names = input_arguments(model)
    original = last_hidden_state(model, names)
    save_trace(make_trace(model, names, traced, chosen.fixed), draft / "model.pt")
    prove(load_trace(draft / "model.pt"), original, names, traced, model.config, chosen, report)
    for path in tokenizer.files:
        shutil.copyfile(path, draft / path.name)
    rows = golden_rows(original, names, tokenizer, traced.length, chosen.pooling, chosen.device)
    manifest = build_manifest(
        name=chosen.name or target.name,
        argument_names=names,
        pooling=chosen.pooling,
        normalize=chosen.normalize,
        width=model.config.hidden_size,
        traced=traced,
        vocabulary_size=model.config.vocab_size,
        pad_id=pad_id_of(model.config),
        tokenizer_overrides=tokenizer.overrides,
        tolerance=chosen.tolerance,
        rows=rows,
    )
    write_manifest(draft, manifest)


def pad_id_of(config) -> int:
    return config.pad_token_id if config.pad_token_id is not None else 0


def check_vocabulary(tokenizer, config) -> None:
    highest = max(tokenizer.backend.get_vocab(with_added_tokens=True).values())
    if highest >= config.vocab_size:
        raise Refusal(
            BAD_DATA,
            f"the tokenizer has ids up to {highest}, the model only {config.vocab_size} of them: "
            "tokenizer and model do not belong together",
        )


def make_trace(model, names, traced: Shape, fixed: str | None):
    shape = bound_shape(fixed, traced, model.config.hidden_size) if fixed else None
    module = last_hidden_state(model, names, shape)
    pad_id = pad_id_of(model.config)
    return trace_module(
        module, example_inputs(names, traced, model.config.vocab_size, pad_id, "cpu")
    )


def prove(trace, original, names, traced, config, chosen, report) -> None:
    result = compare(
        trace,
        original,
        names,
        config.vocab_size,
        pad_id_of(config),
        chosen.device,
        shapes_to_compare(traced),
    )
    require_agreement(result, traced, chosen.tolerance)
    compared = ", ".join(str(shape) for shape in result.compared)
    report(f"trace and original differ by at most {result.worst_difference:.2g} at {compared}")
    if result.failed:
        failed = ", ".join(str(shape) for shape in result.failed)
        report(f"note: the trace does not run at {failed}; ferryd pads to what it allows")
