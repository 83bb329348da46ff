"""Runs an export from start to end and turns what went wrong into a message and an exit code."""

import importlib.util
import os
import signal
import sys

from . import options
from .refusal import BAD_DATA, INTERNAL, IO_ERROR, UNAVAILABLE, USAGE, Refusal

NEEDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "safetensors")


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, end_at_signal)
    chosen = options.build_parser().parse_args(arguments)
    try:
        check_options(chosen)
        check_packages()
        quiet_libraries()
        export_function(chosen)(
            chosen, report=lambda line: print(line, file=sys.stderr, flush=True)
        )
        return os.EX_OK
    except Refusal as refusal:
        return fail(refusal.exit_code, refusal.reason)
    except KeyboardInterrupt:
        return fail(128 + signal.SIGINT, "interrupted; nothing was written")
    except OSError as error:
        return fail(IO_ERROR, str(error))
    except MemoryError:
        return fail(IO_ERROR, "out of memory")


def end_at_signal(number: int, _frame) -> None:
    """Ends by an exception, so that the half-made directory is removed on the way out."""
    raise SystemExit(128 + number)


def fail(exit_code: int, reason: str) -> int:
    print(f"ferry-export: {reason}", file=sys.stderr)
    return exit_code


def quiet_libraries() -> None:
    """Before they are imported: what the user has to know is in the report."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def export_function(chosen):
    """Imported late: torch takes seconds, and wrong options are told at once."""
    if chosen.task == "embed":
        from .export import export

        return export
    if chosen.combined:
        from .export_combined import export_combined

        return export_combined
    from .export_causal import export_causal

    return export_causal


def check_options(chosen) -> None:
    offered = ", ".join(options.TASKS)
    if chosen.task in options.LATER_TASKS:
        raise Refusal(
            BAD_DATA, f"--task {chosen.task}: not offered yet; this version exports: {offered}"
        )
    if chosen.task == "next":
        raise Refusal(
            USAGE, "--task next: a model exported with --task score or generate answers it as well"
        )
    if chosen.task not in options.TASKS:
        raise Refusal(
            USAGE, f"--task {chosen.task}: there is no such task; this version exports: {offered}"
        )
    if chosen.device != "cpu":
        raise Refusal(
            USAGE,
            f"--device {chosen.device}: traces are made on the cpu; ferryd moves them to the device",
        )
    check_options_of_task(chosen)


def check_options_of_task(chosen) -> None:
    causal = chosen.task in options.CAUSAL_TASKS
    for name in options.EMBED_OPTIONS if causal else options.CAUSAL_OPTIONS:
        if getattr(chosen, name) is not None:
            raise Refusal(
                USAGE, f"--{name.replace('_', '-')} has no meaning with --task {chosen.task}"
            )
    for name in options.COMBINED_OPTIONS:
        if getattr(chosen, name) is not None and not chosen.combined:
            raise Refusal(USAGE, f"--{name.replace('_', '-')} has no meaning without --combined")
    if chosen.combined and chosen.task != "generate":
        raise Refusal(USAGE, f"--combined: such a model generates; it has no task {chosen.task}")
    if chosen.plain and chosen.fixed:
        raise Refusal(USAGE, "--plain and --fixed: one of them")
    chosen.seed = chosen.seed or 0
    chosen.time_limit = chosen.time_limit or options.SECONDS_FOR_ROWS


def check_packages() -> None:
    missing = [name for name in NEEDED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Refusal(
            UNAVAILABLE,
            f"{sys.executable} has no {', '.join(missing)}; "
            "./try --setup-only installs what is needed into .venv",
        )


__all__ = ["main", "INTERNAL"]
