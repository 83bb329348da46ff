"""The command line of ferry-export."""

import argparse
import math
import pathlib

from .refusal import USAGE
from .tracing import FIXED_CHOICES

POOLING_CHOICES = ("mean", "cls", "last", "max", "none")
# Known to ferry's design; the exporter says so instead of calling them unknown.
LATER_TASKS = ("classify", "tag", "fill", "rank", "raw")
CAUSAL_TASKS = ("score", "generate")
EMBED_OPTIONS = ("pooling", "normalize")
CAUSAL_OPTIONS = ("tokenizer", "seed", "plain", "combined")
COMBINED_OPTIONS = ("module", "vocabulary_size", "max_new_tokens", "time_limit")
TASKS = ("embed", *CAUSAL_TASKS)
SECONDS_FOR_ROWS = 120
DESCRIPTION = """\
Turns a Hugging Face model into a model directory: model.pt (TorchScript), the tokenizer's files and
ferry.json. The trace is compared with the original, and golden rows are taken from the original.

  embed            an encoder of the BERT family
  score, generate  a GPT-2 with its head; a config.json alone gives random weights"""
EXIT_CODES = """\
exit codes: 0 written; 64 wrong usage; 65 ferry cannot run this model; 66 model or file not found;
69 package missing or hub not reachable; 73 output exists or cannot be created; 74 input or output error"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.print_usage()
        self.exit(USAGE, f"ferry-export: {message}\n")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 2⁶³ - 1")
    return value


def tolerance(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def build_parser() -> Parser:
    parser = Parser(
        prog="ferry-export",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a Hugging Face directory, a name on the hub, or (GPT-2) a config.json",
    )
    add(
        "-o",
        "--output",
        required=True,
        type=pathlib.Path,
        metavar="DIR",
        help="model directory to make",
    )
    add(
        "--task",
        default="embed",
        help=f"what the model is for: {', '.join(TASKS)} (default: embed)",
    )
    add("--revision", help="branch, tag or commit on the hub")
    add("--name", help="name in the manifest (default: that of DIR)")
    add("--length", type=positive, metavar="N", help="limit in tokens; embed traces at it")
    add("--batch", type=positive, default=2, metavar="N", help="batch to trace at (default: 2)")
    add(
        "--pooling",
        choices=POOLING_CHOICES,
        help="default: as sentence-transformers' files say, else mean",
    )
    add(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="scale vectors to length 1 (default: as sentence-transformers' files say, else no)",
    )
    add(
        "--tolerance",
        type=tolerance,
        default=1e-4,
        metavar="X",
        help="largest absolute difference between trace and original (default: 1e-4); "
        "ferryd holds the golden rows to it as well",
    )
    add(
        "--tokenizer",
        type=pathlib.Path,
        metavar="DIR",
        help="GPT-2: where the tokenizer's files are (default: beside the model)",
    )
    add(
        "--seed",
        type=seed,
        metavar="N",
        help="of random weights, for a config.json alone (default: 0)",
    )
    add(
        "--combined",
        action="store_true",
        default=None,
        help="generate: one TorchScript with the sampler in it; MODEL may be such a file (.pt) already",
    )
    add(
        "--module",
        metavar="FILE.py:CLASS",
        help="combined: your own sampler, CLASS(traced_model), instead of the exporter's",
    )
    add(
        "--vocabulary-size",
        type=positive,
        metavar="N",
        help="combined, a finished file: ids that the model has (default: rows of wte)",
    )
    add(
        "--max-new-tokens",
        type=positive,
        metavar="N",
        help="combined: the most that a request may ask for (default: as many as there is room for)",
    )
    add(
        "--time-limit",
        type=positive,
        metavar="S",
        help=f"combined: seconds for all golden rows together (default: {SECONDS_FOR_ROWS})",
    )
    add("--device", default="cpu", help="where to trace: cpu (default)")
    add("--overwrite", action="store_true", help="replace a model directory that is there")
    add(
        "--fixed",
        nargs="?",
        const="length",
        choices=FIXED_CHOICES,
        help="for tests: a trace that works at its own length (default), batch or both only",
    )
    add(
        "--plain",
        action="store_true",
        default=None,
        help="for tests: GPT-2 traced as every guide shows it, at batch 1 and the full length",
    )
    return parser
