"""The steps of exporting a GPT-2 for score and generate, in order."""

import dataclasses
import os
import pathlib
import shutil

from .byte_pair_source import BytePairSource, check_vocabulary, load_byte_pair_tokenizer
from .causal_model import find_causal_source, load_causal_model, pad_id_of, special_ids
from .logits_trace import Logits, write_logits_trace
from .manifest import build_causal_manifest, write_manifest
from .model_directory import check_target, replacing
from .refusal import BAD_DATA, NO_INPUT, USAGE, Refusal
from .score_rows import golden_prompts, score_rows


@dataclasses.dataclass
class CausalFacts:
    """What the manifest says whichever way model.pt was made."""

    vocabulary_size: int
    max_length: int
    pad_id: int
    special: dict  # begin_id, if there is one, and end_ids
    tokenizer: BytePairSource | None


def export_causal(chosen, report) -> None:
    """Raises Refusal; then nothing has been written."""
    target = pathlib.Path(os.path.abspath(chosen.output))
    check_target(target, chosen.overwrite)
    source = find_causal_source(chosen.model, chosen.revision)
    model = load_causal_model(source, chosen.seed, report)
    facts = facts_of(model, source, chosen, report)
    with replacing(target, chosen.overwrite) as draft:
        traced = write_logits_trace(draft / "model.pt", model, facts.max_length, chosen, report)
        copy_tokenizer(facts.tokenizer, draft)
        prompts = golden_prompts(facts.tokenizer, facts.vocabulary_size, facts.max_length)
        rows = score_rows(Logits(model).eval(), prompts)
        write_manifest(draft, build_causal_manifest(chosen, target.name, facts, traced, rows))
    report(
        f"{target}: {facts.vocabulary_size} tokens in the vocabulary, up to {facts.max_length} in a "
        "sequence"
    )


def facts_of(model, source, chosen, report) -> CausalFacts:
    vocabulary_size = model.lm_head.weight.shape[0]
    folder = tokenizer_folder(chosen.tokenizer) or source.folder
    return CausalFacts(
        vocabulary_size=vocabulary_size,
        max_length=choose_max_length(chosen.length, model.config.n_positions),
        pad_id=pad_id_of(model.config, vocabulary_size),
        special=special_ids(source.folder, model.config, vocabulary_size, report),
        tokenizer=checked_tokenizer(folder, vocabulary_size, report),
    )


def tokenizer_folder(path: pathlib.Path | None) -> pathlib.Path | None:
    if path is not None and not path.is_dir():
        raise Refusal(NO_INPUT, f"--tokenizer {path}: no such directory")
    return path


def checked_tokenizer(folder: pathlib.Path | None, vocabulary_size: int, report):
    tokenizer = load_byte_pair_tokenizer(folder, report) if folder else None
    if tokenizer is None:
        report("no tokenizer: the model takes ids and gives ids; text is not served")
        return None
    check_vocabulary(folder, tokenizer, vocabulary_size)
    return tokenizer


def choose_max_length(asked: int | None, positions: int) -> int:
    if asked is not None and asked > positions:
        raise Refusal(USAGE, f"--length {asked}: the model has only {positions} positions")
    if asked is not None and asked < 2:
        raise Refusal(USAGE, f"--length {asked}: at least 2 tokens are needed")
    if positions < 2:
        raise Refusal(BAD_DATA, f"n_positions is {positions}: at least 2 are needed")
    return positions if asked is None else asked


def copy_tokenizer(tokenizer: BytePairSource | None, draft: pathlib.Path) -> None:
    for path in tokenizer.files if tokenizer else []:
        shutil.copyfile(path, draft / path.name)
