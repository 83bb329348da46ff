"""Makes the trace of a GPT-2: ids of [batch, length] in, logits of [batch, length, vocabulary] out."""

import torch

from .comparison import Comparison, compare, require_agreement, shapes_to_compare
from .trace_file import load_trace, save_trace
from .tracing import Shape, bound_shape, example_inputs, trace_module

NAMES = ["input_ids"]
# Long enough that no length is special; the trace is proven at the full length all the same.
MODERATE_LENGTH = 64


class Logits(torch.nn.Module):
    """Without cache: a trace has one way through, and no state. bound_shape: see LastHiddenState."""

    def __init__(self, model: torch.nn.Module, bound_to: tuple[int, ...] | None = None):
        super().__init__()
        self.model = model
        self.register_buffer("zeros", torch.zeros(bound_to) if bound_to else None)

    def forward(self, input_ids):
        logits = self.model(input_ids, use_cache=False, return_dict=False)[0]
        return logits if self.zeros is None else logits + self.zeros


def shapes_to_try(chosen, max_length: int) -> list[Shape]:
    """Where to trace, best first. A later one is for a trace that is bound to its length."""
    if chosen.plain:
        return [Shape(1, max_length)]
    if chosen.fixed:
        return [Shape(chosen.batch, max_length)]
    lengths = dict.fromkeys((min(MODERATE_LENGTH, max_length), max_length))
    return [Shape(chosen.batch, length) for length in lengths]


def make_logits_trace(model, shape: Shape, fixed: str | None):
    # A last dimension of 1 stays free, and keeps the zeros small.
    bound = bound_shape(fixed, shape, 1) if fixed else None
    inputs = example_inputs(NAMES, shape, model.config.vocab_size, 0, "cpu")
    return trace_module(Logits(model, bound).eval(), inputs)


def write_logits_trace(path, model, max_length: int, chosen, report) -> Shape:
    """Writes a trace that agrees with the model, and returns the shape that it was made at."""
    shapes = shapes_to_try(chosen, max_length)
    for shape in shapes:
        save_trace(make_logits_trace(model, shape, chosen.fixed), path)
        result = compare_logits(load_trace(path), model, shape, max_length)
        if serves_all_lengths(result, max_length, chosen.tolerance) or shape == shapes[-1]:
            break
    require_agreement(result, shape, chosen.tolerance)
    compared = ", ".join(str(shape) for shape in result.compared)
    report(
        f"traced at {shape}; trace and original differ by at most {result.worst_difference:.2g} "
        f"at {compared}"
    )
    if result.failed:
        failed = ", ".join(str(shape) for shape in result.failed)
        report(f"note: the trace does not run at {failed}; ferryd works around that, slower")
    return shape


def compare_logits(trace, model, shape: Shape, max_length: int) -> Comparison:
    shapes = [*shapes_to_compare(shape), Shape(1, max_length)]
    shapes = [one for place, one in enumerate(shapes) if one not in shapes[:place]]
    return compare(trace, Logits(model).eval(), NAMES, model.config.vocab_size, 0, "cpu", shapes)


def serves_all_lengths(result: Comparison, max_length: int, tolerance: float) -> bool:
    return result.worst_difference <= tolerance and any(
        shape.length == max_length for shape in result.compared
    )
