"""Combined models: a trace and a scripted sampler in one file, served as they are."""

import pytest
import torch

import gpt2_traces as traces
from decode_session import run_session
from gpt2_traces import POSITIONS, VOCABULARY


class Combined(torch.nn.Module):
    """Prompt and new ids; draws from the global generator."""

    def __init__(self, traced):
        super().__init__()
        self.traced = traced

    def forward(self, ids: torch.Tensor, n: int, temperature: float) -> torch.Tensor:
        for _ in range(n):
            logits = self.traced(ids)[0, -1]
            if temperature == 0.0:
                token = logits.argmax()
            else:
                token = torch.multinomial((logits / temperature).softmax(0), 1)
            ids = torch.cat([ids, token.reshape(1, 1)], 1)
        return ids


class NewIds(Combined):
    """New ids alone, one-dimensional, with numbers as tensors; ends at id 3."""

    def forward(
        self, n: torch.Tensor, top_k: torch.Tensor, ids: torch.Tensor, seed: torch.Tensor
    ) -> torch.Tensor:
        length = ids.size(1)
        for _ in range(int(n)):
            kept = self.traced(ids)[0, -1].topk(int(top_k))
            pick = int(seed + ids.size(1)) % int(top_k)
            ids = torch.cat([ids, kept.indices[pick].reshape(1, 1)], 1)
            if int(ids[0, -1]) == 3:
                break
        return ids[0, length:]


class Wrong(Combined):
    """Whatever must not come out of a model; which of it the temperature says."""

    def forward(self, ids: torch.Tensor, n: int, temperature: float) -> torch.Tensor:
        if temperature == 1.0:
            return torch.cat([ids, torch.full((1, n), 211)], 1)
        if temperature == 2.0:
            return torch.cat([ids, ids[:, :1].repeat(1, n + 1)], 1)
        if temperature == 3.0:
            return torch.flip(ids, [1])
        if temperature == 4.0:
            return ids.float()
        if temperature == 5.0:
            return torch.cat([ids, ids], 0)
        if temperature == 6.0:
            raise RuntimeError("the sampler gives up")
        return ids


@pytest.fixture(scope="module")
def model():
    return traces.make_gpt2()


def save(kind, model, path):
    torch.manual_seed(4)
    ids = torch.randint(1, VOCABULARY, (2, 16))
    with torch.no_grad():
        traced = torch.jit.trace(traces.Plain(model), (ids,), strict=False, check_trace=False)
    scripted = torch.jit.script(kind(traced).eval())
    scripted.save(str(path))
    return torch.jit.load(str(path)).eval()


PLAIN = {
    "inputs": [["ids", "int64"], ["new_tokens", "int"], ["temperature", "float"]],
    "output_shape": "ids_with_prompt", "max_length": POSITIONS, "vocabulary_size": VOCABULARY,
    "max_new_tokens": 20,
}  # fmt: skip
TENSORS = PLAIN | {
    "inputs": [["new_tokens", "int64"], ["top_k", "int32"], ["ids", "int64"], ["seed", "int64"]],
    "output_shape": "new_ids",
}  # fmt: skip


def plain_ids(module, ids, new, temperature=0.0, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return module(torch.tensor([ids]), new, temperature)[0, len(ids) :].tolist()


def golden(module, count=3):
    rows = []
    for seed, ids in enumerate(traces.random_ids(count, 12, seed=1)):
        settings = {"temperature": 0.75 * (seed % 2), "seed": seed}
        rows.append({"ids": ids, "new_tokens": 5, "settings": settings,
                     "expected": plain_ids(module, ids, 5, **settings)})  # fmt: skip
    return rows


def test_the_ids_are_those_of_the_module(tmp_path, model):
    module = save(Combined, model, tmp_path / "model.pt")
    prompts = traces.random_ids(5, 30, seed=2)
    hot = [{"temperature": 1.5, "seed": 2**63 + at} for at in range(5)]
    calls = [{"do": "generate", "prompts": prompts, "new": 9},
             {"do": "generate", "prompts": prompts, "new": 9, "settings": hot},
             {"do": "generate", "prompts": prompts, "new": 9, "settings": hot}]  # fmt: skip
    answer = run_session(tmp_path / "model.pt", calls, PLAIN | {"golden": golden(module)})
    assert answer["load"] == "OK", answer["text"]
    info = answer["info"]
    assert info["whole_generation"] and info["max_sequences"] == 1 and info["block_tokens"] == 0
    assert "3 golden rows" in info["proof"] and answer["model"]["max_length"] == POSITIONS
    coolest, first, second = answer["answers"]
    assert first == second
    for at, prompt in enumerate(prompts):
        assert coolest[at]["new_ids"] == plain_ids(module, prompt, 9)
        assert first[at]["new_ids"] == plain_ids(module, prompt, 9, 1.5, 2**63 + at)
        assert coolest[at]["logprobs"] == [None] * 9


def test_greedy_is_that_of_transformers(tmp_path, model):
    save(Combined, model, tmp_path / "model.pt")
    prompts = traces.random_ids(4, 30, seed=7)
    calls = [{"do": "generate", "prompts": prompts, "new": 12}]
    for prompt, result in zip(prompts, run_session(tmp_path / "model.pt", calls, PLAIN)["answers"][0]):  # fmt: skip
        expected = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert result["new_ids"] == expected[0, len(prompt) :].tolist()


def test_new_ids_alone_with_numbers_as_tensors(tmp_path, model):
    module = save(NewIds, model, tmp_path / "model.pt")
    prompts = traces.random_ids(8, 30, seed=4)
    settings = [{"top_k": 1 + at, "seed": 1000 + at} for at in range(8)]
    calls = [{"do": "generate", "prompts": prompts, "new": 20, "settings": settings}]
    answer = run_session(tmp_path / "model.pt", calls, TENSORS)
    assert answer["load"] == "OK", answer["text"]
    for prompt, chosen, result in zip(prompts, settings, answer["answers"][0]):
        with torch.no_grad():
            expected = module(torch.tensor(20), torch.tensor(chosen["top_k"]),
                              torch.tensor([prompt]), torch.tensor(chosen["seed"]))  # fmt: skip
        assert result["status"] == "OK" and result["new_ids"] == expected.tolist()


def test_what_must_not_come_out(tmp_path, model):
    save(Wrong, model, tmp_path / "model.pt")
    calls = [{"do": "generate", "prompts": [[1, 2, 5]], "new": 3,
              "settings": {"temperature": float(kind)}} for kind in range(7)]  # fmt: skip
    answers = run_session(tmp_path / "model.pt", calls, PLAIN)["answers"]
    assert answers[0] == [{"status": "OK", "new_ids": [], "logprobs": [], "tops": []}]
    words = [
        "211, outside",
        "4 new ids, 3",
        "begin with its prompt",
        "not ids",
        "not ids",
        "gives up",
    ]
    for word, answer in zip(words, answers[1:]):
        assert answer["status"] == "ENGINE" and word in answer["text"], answer


def test_requests_out_of_range(tmp_path, model):
    save(Combined, model, tmp_path / "model.pt")
    calls = [{"do": "generate", "prompts": [[1] * (POSITIONS - 4)], "new": 5},
             {"do": "generate", "prompts": [[1, VOCABULARY]], "new": 5},
             {"do": "generate", "prompts": [[1]], "new": 5, "settings": {"temperature": -1.0}},
             {"do": "generate", "prompts": [[1]], "new": 21},
             {"do": "generate", "prompts": [[1] * (POSITIONS - 5)], "new": 5}]  # fmt: skip
    answers = run_session(tmp_path / "model.pt", calls, PLAIN)["answers"]
    assert [one["status"] for one in answers[:4]] == ["INVALID_INPUT"] * 3 + ["INTERNAL"]
    assert len(answers[4][0]["new_ids"]) == 5


@pytest.mark.parametrize(
    "inputs, words",
    [
        ([["ids", "int64"], ["new_tokens", "int64"], ["temperature", "float"]],
         ["'n'", "type int", "new_tokens", "Tensor"]),
        ([["ids", "int64"], ["new_tokens", "int"], ["temperature", "int"]],
         ["'temperature'", "type float"]),
        ([["ids", "float32"], ["new_tokens", "int"], ["temperature", "float"]],
         ["'ids'", "float32"]),
        ([["ids", "int64"], ["new_tokens", "int"]], ["takes 3 inputs", "lists 2"]),
        ([["ids", "int64"], ["top_k", "int"], ["temperature", "float"]], ["needs", "new_tokens"]),
        ([["mask", "int64"], ["new_tokens", "int"], ["temperature", "float"]], ["needs", "ids"]),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_named(tmp_path, model, inputs, words):
    save(Combined, model, tmp_path / "model.pt")
    answer = run_session(tmp_path / "model.pt", [], PLAIN | {"inputs": inputs})
    assert answer["load"] == "BAD_DATA"
    assert all(word in answer["text"] for word in words), answer["text"]


def test_golden_rows_must_be_met_exactly(tmp_path, model):
    module = save(Combined, model, tmp_path / "model.pt")
    rows = golden(module)
    rows[1]["expected"][2] = (rows[1]["expected"][2] + 1) % VOCABULARY
    answer = run_session(tmp_path / "model.pt", [], PLAIN | {"golden": rows})
    assert answer["load"] == "BAD_DATA" and "golden row 1" in answer["text"]
    rows = golden(module)
    rows[2]["expected"].pop()
    answer = run_session(tmp_path / "model.pt", [], PLAIN | {"golden": rows})
    assert answer["load"] == "BAD_DATA" and "golden row 2" in answer["text"]
