"""Compares the trace with the original at several shapes."""

import dataclasses
import math

import torch

from .refusal import BAD_DATA, Refusal
from .tracing import Shape, example_inputs


@dataclasses.dataclass
class Comparison:
    worst_difference: float
    compared: list[Shape]
    failed: list[Shape]  # shapes at which the trace does not run, or answers in another shape


def shapes_to_compare(traced: Shape) -> list[Shape]:
    """The traced shape first; then other batches and other lengths, alone and together."""
    middle = max(1, traced.length // 2 - 1)
    shapes = [
        traced,
        Shape(1, traced.length),
        Shape(traced.batch + 1, traced.length),
        Shape(traced.batch, middle),
        Shape(1, 1),
        Shape(traced.batch + 3, max(2, traced.length // 5)),
    ]
    return [shape for place, shape in enumerate(shapes) if shape not in shapes[:place]]


def run_trace(trace, inputs, expected_shape) -> torch.Tensor | None:
    """None when the trace does not run at this shape; a trace bound to it raises RuntimeError."""
    try:
        output = trace(*inputs)
    except RuntimeError:
        return None
    return output if output.shape == expected_shape else None


def real_tokens(names, inputs):
    """An index of what counts. Without a mask nothing is padding: what stands left of it is all that
    a causal model sees."""
    if "attention_mask" not in names:
        return ...
    return inputs[names.index("attention_mask")].bool()


def compare(trace, original, names, vocabulary_size, pad_id, device, shapes) -> Comparison:
    """Real tokens count; what a model writes at padded positions is nobody's business."""
    result = Comparison(worst_difference=0.0, compared=[], failed=[])
    for seed, shape in enumerate(shapes, start=1):
        inputs = example_inputs(names, shape, vocabulary_size, pad_id, device, seed)
        with torch.no_grad():
            expected = original(*inputs)
            answer = run_trace(trace, inputs, expected.shape)
            if answer is None:
                result.failed.append(shape)
                continue
        difference = (answer - expected)[real_tokens(names, inputs)].abs().max().item()
        # A NaN compares false with everything: max() would lose it. Once there, it stays.
        if not difference <= result.worst_difference and not math.isnan(result.worst_difference):
            result.worst_difference = difference
        result.compared.append(shape)
    return result


def require_agreement(result: Comparison, traced: Shape, tolerance: float) -> None:
    if traced in result.failed:
        raise Refusal(BAD_DATA, f"the trace does not run at the shape it was made at, {traced}")
    if not result.worst_difference <= tolerance:
        raise Refusal(
            BAD_DATA,
            f"trace and original differ by {result.worst_difference:.3g}, more than the tolerance "
            f"of {tolerance:g} (--tolerance); nothing was written",
        )
