"""Golden rows of a combined model: prompts and settings with the ids that it answered here."""

import math
import pathlib

from .golden_rows import SHORT_TEXTS
from .refusal import BAD_DATA, Refusal
from .score_rows import random_prompts
from .timed_rows import run_rows

# ferryd's values for "off", and some that change something. All are exact in float32.
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
GREEDY = {**OFF, "temperature": 0.0}
ALL_ON = {
    "temperature": 0.75,
    "top_k": 8,
    "top_p": 0.75,
    "min_p": 0.0625,
    "repetition_penalty": 1.25,
}
NEW_TOKENS = 4  # less than a prompt has: so what comes back shows whether the prompt is in it


def wanted_rows(tokenizer, facts, max_new_tokens: int, inputs: list[dict]) -> list[dict]:
    """Rows without answers, each with the settings that this model takes."""
    prompts = combined_prompts(tokenizer, facts.vocabulary_size, facts.max_length)
    new_tokens = min(NEW_TOKENS, max_new_tokens)
    settings = [GREEDY, OFF, ALL_ON, GREEDY, OFF]
    taken = [fact["kind"] for fact in inputs]
    rows = []
    for seed, (prompt, values) in enumerate(zip(prompts, settings), start=1):
        room = facts.max_length - len(prompt["ids"])
        chosen = {name: value for name, value in values.items() if name in taken}
        rows.append({**prompt, "new_tokens": min(new_tokens, room), **chosen, "seed": seed})
    return rows


def combined_prompts(tokenizer, vocabulary_size: int, max_length: int) -> list[dict]:
    """Two of several tokens, one more, a single token, and one that leaves two tokens of room."""
    ids = [row["ids"] for row in random_prompts(vocabulary_size, max_length)]
    middle = max(1, min(7, max_length - NEW_TOKENS))
    prompts = [{"ids": ids[-1][start:][:middle]} for start in (0, 1, 2)]
    if tokenizer is not None:
        prompts = [
            {"text": text, "ids": tokenizer.encode(text, max_length)}
            for text, _ in SHORT_TEXTS[1:4]
        ]
        prompts = [row for row in prompts if len(row["ids"]) < max_length]
    return [*prompts, {"ids": ids[-1][:1]}, {"ids": ids[-1][: max(1, max_length - 2)]}]


def in_words(row: dict) -> str:
    values = ", ".join(f"{name} {row[name]}" for name in row if name not in ("ids", "text"))
    return f"a prompt of {len(row['ids'])} ids with {values}"


def combined_rows(
    model: pathlib.Path, inputs, index: int, rows: list[dict], facts, limit: float, report
) -> tuple[str, list[dict]]:
    """The manifest's output shape, and the rows with the new ids."""
    answers = run_rows(model, inputs, index, rows, limit, in_words)
    good = []
    for row, answer in zip(rows, answers):
        if "error" not in answer:
            check_answer(row, answer, facts.vocabulary_size)
            good.append((row, answer["ids"]))
        elif row.get("temperature") == 0:
            report(
                "note: the model fails at temperature 0, which clients send for the most probable "
                f"token; write: if temperature == 0.0: token = logits.argmax(). {last(answer)}"
            )
        else:
            raise Refusal(
                BAD_DATA,
                f"the model fails at {in_words(row)} (top_k 0, top_p 1, min_p 0 and "
                f"repetition_penalty 1 mean off):\n{answer['error'].strip()}",
            )
    shape = output_shape(good)
    told = [
        {**row, "expected": ids if shape == "new_ids" else ids[len(row["ids"]) :]}
        for row, ids in good
    ]
    told = [row for row in told if row["expected"]]
    if not told:
        raise Refusal(BAD_DATA, "the model made no new ids at all; it has to return them")
    return shape, told


def last(answer: dict) -> str:
    return answer["error"].strip().splitlines()[-1]


def check_answer(row: dict, answer: dict, vocabulary_size: int) -> None:
    def refuse(what: str):
        raise Refusal(BAD_DATA, f"at {in_words(row)} the model {what}")

    shape = answer["shape"]
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
        refuse(f"returns a tensor of shape {shape}; [1, ids] or [ids] is expected")
    if answer["dtype"] not in ("torch.int64", "torch.int32"):
        refuse(f"returns {answer['dtype']}; ids are torch.int64")
    if any(not 0 <= one < vocabulary_size for one in answer["ids"]):
        refuse(f"returns an id that is not below {vocabulary_size}")
    if not answer["repeats"]:
        refuse(
            "gives other ids the second time: after torch.manual_seed(seed) it has to draw the same "
            "numbers, and keep nothing from the call before"
        )


def output_shape(answers: list[tuple[dict, list[int]]]) -> str:
    def holds_prompt(row, ids) -> bool:
        length = len(row["ids"])
        return ids[:length] == row["ids"] and len(ids) - length <= row["new_tokens"]

    if answers and all(holds_prompt(row, ids) for row, ids in answers):
        return "ids_with_prompt"
    if answers and all(len(ids) <= row["new_tokens"] for row, ids in answers):
        return "new_ids"
    worst = max((len(ids) for _, ids in answers), default=math.nan)
    raise Refusal(
        BAD_DATA,
        f"the model returns neither at most n new ids nor the prompt with at most n ids behind it "
        f"(up to {worst} ids for n of at most {NEW_TOKENS})",
    )
