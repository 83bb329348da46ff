"""Golden rows: texts with their ids and the original model's own answer.

ferryd runs them when it loads the model, so they cover what could go wrong: one token and the full
length, two segments, other scripts, special tokens, and unknown characters.
"""

import numpy
import torch

from .tokenizer_source import TokenizerSource

SHORT_TEXTS: list[tuple[str, str | None]] = [
    ("a", None),
    ("The ferry leaves at seven.", None),
    ("Wann fährt die nächste Fähre nach Föhr? Um 7:45 Uhr!", None),
    ("渡し船は朝七時に出ます。 Паром уходит в семь утра. يغادر القارب", None),
    ("naïve café — 3.14 × 10⁻⁵ €uro \U0001f600 [MASK] it's", None),
    ("Does the ferry run in winter?", "Yes, but only twice a day, and never in a storm."),
]
LONG_SENTENCE = (
    "Early in the morning, before the first passengers come down to the harbour, the crew checks "
    "the engine, the ropes and the weather report; number {} of the list is the coffee. "
)


def golden_texts() -> list[tuple[str, str | None]]:
    long_text = "".join(LONG_SENTENCE.format(number) for number in range(1, 6))
    # Far more tokens than any encoder of this family takes: it is cut at the limit.
    full_text = "".join(LONG_SENTENCE.format(number) for number in range(1, 400))
    return [*SHORT_TEXTS, (long_text, None), (full_text, None)]


def pool(hidden: torch.Tensor, pooling: str) -> torch.Tensor:
    """hidden: [length, width] of real tokens, special ones included."""
    if pooling == "mean":
        return hidden.mean(dim=0)
    if pooling == "cls":
        return hidden[0]
    if pooling == "last":
        return hidden[-1]
    if pooling == "max":
        return hidden.max(dim=0).values
    return hidden


def float32_list(values: torch.Tensor) -> list[float]:
    """The shortest decimal numbers that read back as the same float32 values."""
    flat = values.cpu().numpy().astype(numpy.float32).ravel()
    return [float(str(value)) for value in flat]


def golden_row(original, names, tokenizer: TokenizerSource, text, pair, length, pooling, device):
    ids, type_ids = tokenizer.encode(text, pair, length)
    if "token_type_ids" not in names:
        type_ids = [0] * len(ids)
    by_name = {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "token_type_ids": type_ids,
    }
    inputs = tuple(torch.tensor([by_name[name]], device=device) for name in names)
    with torch.no_grad():
        hidden = original(*inputs)[0]
    row = {"text": text, "ids": ids, "type_ids": type_ids}
    if pair is not None:
        row["pair"] = pair
    row["expected"] = float32_list(pool(hidden, pooling))
    return row


def golden_rows(original, names, tokenizer, length, pooling, device) -> list[dict]:
    return [
        golden_row(original, names, tokenizer, text, pair, length, pooling, device)
        for text, pair in golden_texts()
    ]
