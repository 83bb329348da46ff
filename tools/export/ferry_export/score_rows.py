"""Golden rows of score and generate: ids, and the log-probability of each given those before it."""

import torch

from .golden_rows import LONG_SENTENCE, float32_list

TEXTS = [
    "The ferry",
    "The ferry leaves at seven.",
    "Wann fährt die nächste Fähre nach Föhr? Um 7:45 Uhr!",
    "渡し船は朝七時に出ます。 Паром уходит в семь утра. يغادر القارب",
    "naïve café — 3.14 × 10⁻⁵ €uro \U0001f600 it's  we'll\tthey'd  \n\n 12 345",
    "".join(LONG_SENTENCE.format(number) for number in range(1, 4)),
]
WORDS_IN_A_SENTENCE = 30  # GPT-2's pattern never joins two of them in one token
LENGTHS_WITHOUT_TEXT = (2, 3, 7, 21, 50)
SEED = 20


def golden_prompts(tokenizer, vocabulary_size: int, max_length: int) -> list[dict]:
    """Rows with ids, and with text where there is a tokenizer. Two tokens are the least to score."""
    if tokenizer is None:
        return random_prompts(vocabulary_size, max_length)
    special = tokenizer.special_token()
    texts = [*TEXTS, full_text(max_length)]
    if special is not None:
        texts.insert(2, f"One text.{special}And another.")
    rows = [{"text": text, "ids": tokenizer.encode(text, max_length)} for text in texts]
    return [row for row in rows if len(row["ids"]) >= 2]


def full_text(max_length: int) -> str:
    """More tokens than fit: it is cut at the limit."""
    sentences = max_length // WORDS_IN_A_SENTENCE + 1
    return "".join(LONG_SENTENCE.format(number) for number in range(1, sentences + 1))


def random_prompts(vocabulary_size: int, max_length: int) -> list[dict]:
    generator = torch.Generator().manual_seed(SEED)
    lengths = [length for length in LENGTHS_WITHOUT_TEXT if length < max_length]
    return [
        {"ids": torch.randint(0, vocabulary_size, (length,), generator=generator).tolist()}
        for length in [*lengths, max_length]
    ]


def log_probabilities(original, ids: list[int]) -> torch.Tensor:
    """Natural logarithms, float32 [length - 1]: entry i is that of ids[i + 1] after ids[0..i]."""
    with torch.no_grad():
        logits = original(torch.tensor([ids]))[0, :-1].double()
    following = torch.tensor(ids[1:])
    return logits.log_softmax(dim=-1).gather(1, following[:, None])[:, 0].float()


def score_rows(original, prompts: list[dict]) -> list[dict]:
    return [
        {**row, "expected": float32_list(log_probabilities(original, row["ids"]))}
        for row in prompts
    ]
