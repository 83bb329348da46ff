"""Makes the trace: a TorchScript module from ids, mask and segments to the last hidden state."""

import dataclasses
import warnings

import torch

from .refusal import BAD_DATA, Refusal

FIXED_CHOICES = ("length", "batch", "both")


class LastHiddenState(torch.nn.Module):
    """Calls an encoder with positional inputs and returns its last hidden state alone.

    transformers 5 has no torchscript=True any more: return_dict=False makes the output a tuple.

    With bound_shape it adds zeros of that shape, so that the trace fails at any other. Traces that
    are bound like this exist: older models, and traces at batch 1. Today's BERT models are not, so
    tests make them bound.
    """

    def __init__(self, model: torch.nn.Module, bound_shape: tuple[int, ...] | None = None):
        super().__init__()
        self.model = model
        self.register_buffer("zeros", torch.zeros(bound_shape) if bound_shape else None)

    def run(self, **inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.model(**inputs, return_dict=False)[0]
        return hidden if self.zeros is None else hidden + self.zeros


class LastHiddenStateOfOneSegment(LastHiddenState):
    """The arguments' names end up in the trace, where error messages find them."""

    def forward(self, input_ids, attention_mask):
        return self.run(input_ids=input_ids, attention_mask=attention_mask)


class LastHiddenStateOfTwoSegments(LastHiddenState):
    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.run(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )


def last_hidden_state(model, argument_names, bound_shape=None) -> LastHiddenState:
    if "token_type_ids" in argument_names:
        return LastHiddenStateOfTwoSegments(model, bound_shape).eval()
    return LastHiddenStateOfOneSegment(model, bound_shape).eval()


@dataclasses.dataclass
class Shape:
    batch: int
    length: int

    def __str__(self) -> str:
        return f"{self.batch}×{self.length}"


def bound_shape(fixed: str, shape: Shape, width: int) -> tuple[int, ...]:
    """A dimension of 1 is broadcast and therefore stays free."""
    batch = shape.batch if fixed in ("batch", "both") else 1
    length = shape.length if fixed in ("length", "both") else 1
    return (batch, length, width)


def example_inputs(
    names: list[str], shape: Shape, vocabulary_size: int, pad_id: int, device: str, seed: int = 0
) -> tuple[torch.Tensor, ...]:
    """Random ids; every row but the first ends in padding, one token more for each row.

    The two segments and the padding matter: what is the same everywhere in the example could end
    up in the trace as a constant.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, vocabulary_size, (shape.batch, shape.length), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(1, shape.batch):
        real = max(1, shape.length - row)
        ids[row, real:] = pad_id
        mask[row, real:] = 0
    type_ids = torch.zeros_like(ids)
    type_ids[:, shape.length // 2 :] = 1
    by_name = {"input_ids": ids, "attention_mask": mask, "token_type_ids": type_ids * mask}
    return tuple(by_name[name].to(device) for name in names)


def trace_module(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]):
    """The trace, unchecked: comparison.py proves it at several shapes."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # deprecation of the tracer, and its guesses about constants
        try:
            return torch.jit.trace(module, inputs, check_trace=False, strict=False)
        except RuntimeError as error:
            raise Refusal(BAD_DATA, f"the model cannot be traced: {error}") from None
