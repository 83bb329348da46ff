"""Runs a combined model on rows, in a process of its own: a sampler may loop for ever, and compiled
code hears no signal. Reads one JSON object from standard input, writes a JSON value a line."""

import json
import os
import sys
import warnings

import torch

SCALARS = {"int": int, "float": float}
TENSORS = {"int64": torch.int64, "float32": torch.float32}


def argument(fact: dict, row: dict):
    if fact["kind"] == "ids":
        return torch.tensor([row["ids"]], dtype=torch.int64)
    value = row[fact["kind"]]
    if fact["dtype"] in SCALARS:
        return SCALARS[fact["dtype"]](value)
    return torch.tensor(value, dtype=TENSORS[fact["dtype"]])


def run(model, job: dict, row: dict):
    torch.manual_seed(row["seed"])
    with torch.no_grad():
        output = model(*(argument(fact, row) for fact in job["inputs"]))
    output = output[job["output_index"]] if isinstance(output, tuple) else output
    return {
        "shape": list(output.shape),
        "dtype": str(output.dtype),
        "ids": output.flatten().tolist(),
    }


def answer(model, job: dict, row: dict) -> dict:
    """Twice: a first call is compiled in another way than a later one, and the seed decides."""
    try:
        first, second = run(model, job, row), run(model, job, row)
    except Exception as error:  # whatever the user's own code raises
        return {"error": str(error)}
    return {**first, "repeats": first == second}


def main() -> None:
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the model prints is no answer
    job = json.load(sys.stdin)
    model = torch.jit.load(job["model"], map_location="cpu").eval()
    print(json.dumps("ready"), file=answers, flush=True)
    for row in job["rows"]:
        print(json.dumps(answer(model, job, row)), file=answers, flush=True)


if __name__ == "__main__":
    main()
