"""Decoding through the trace's own forward: traces that the packed engine does not recognise, or that
are bound to one shape, against transformers' generate."""

import numpy
import pytest
import scipy.stats
import torch

import gpt2_traces as traces
from decode_session import LOGITS, run_session
from gpt2_traces import POSITIONS, VOCABULARY


class Disguised(traces.Plain):
    """The logits of GPT-2 by another last step, which the packed engine does not know."""

    def forward(self, ids):
        return torch.tanh(super().forward(ids) / 30) * 30


class Masked(Disguised):
    def forward(self, positions, ids, mask):
        logits = self.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False,
            return_dict=False,
        )[0]  # fmt: skip
        return torch.tanh(logits / 30) * 30


class FixedBatch(Disguised):
    """`rows` and `columns` of 0 leave a size free."""

    def __init__(self, model, rows, columns):
        super().__init__(model)
        self.constant = torch.zeros(max(1, rows), max(1, columns), 1)

    def forward(self, ids):
        return super().forward(ids) + self.constant


class NeighboursSee(Disguised):
    """A model that is not causal: what stands behind a token changes its logits."""

    def forward(self, ids):
        logits = super().forward(ids)
        return logits + 0.01 * logits.mean(1, keepdim=True)


class NotFinite(Disguised):
    """No number in a row with four ids 7: no sequence of the proof has them."""

    def forward(self, ids):
        bad = ((ids == 7).sum(1) > 3).float()
        return super().forward(ids) / (1 - bad)[:, None, None]


def spec(batch, length, **more):
    return LOGITS | {"traced_batch": batch, "traced_length": length, "max_length": POSITIONS,
                     "vocabulary_size": VOCABULARY} | more  # fmt: skip


def golden_rows(module, count=2):
    rows = []
    for ids in traces.random_ids(count, 20, seed=9, shortest=3):
        logprobs = traces.logprobs(module, ids)
        picked = [float(logprobs[at, ids[at + 1]]) for at in range(len(ids) - 1)]
        rows.append({"ids": ids, "expected": picked})
    return rows


def greedy(module, prompt, new, most):
    """Token by token, each from the whole sequence; tanh keeps the order that generate sees."""
    ids = list(prompt)
    with torch.no_grad():
        while len(ids) < min(len(prompt) + new, most + 1):
            ids.append(int(module(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


SHAPES = {
    "free": ((2, 64), (0, 0)),
    "rows": ((2, 64), (2, 0)),
    "columns": ((2, 64), (0, 64)),
    "both": ((1, 64), (1, 64)),
}


@pytest.fixture(scope="module")
def model():
    return traces.make_gpt2()


def save_shape(model, path, shape):
    (batch, length), (rows, columns) = SHAPES[shape]
    traces.save(FixedBatch(model, rows, columns), path, batch, length)
    return spec(batch, length, golden=golden_rows(Disguised(model)))


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_is_that_of_the_model(tmp_path, model, shape):
    told = save_shape(model, tmp_path / "model.pt", shape)
    prompts = traces.random_ids(9, 40, seed=3)
    calls = [{"do": "generate", "prompts": prompts, "new": 8, "slots": 5},
             {"do": "generate", "prompts": prompts, "new": 8, "slots": 2, "chunk": 7}]  # fmt: skip
    answer = run_session(tmp_path / "model.pt", calls, told)
    assert answer["load"] == "OK", answer["text"]
    info = answer["info"]
    assert info["engine"] == "torch" and info["block_tokens"] == 0 and info["blocks"] == 0
    assert "forward" in info["proof"] and "GPT-2" in info["proof"]
    if SHAPES[shape][1][1]:
        assert "64 positions" in info["proof"]
    module = Disguised(model)
    for results in answer["answers"]:
        for prompt, result in zip(prompts, results):
            assert result["status"] == "OK"
            assert result["new_ids"] == greedy(module, prompt, 8, info["max_length"])
            ids = prompt + result["new_ids"]
            expected = traces.logprobs(module, ids)
            own = [float(expected[at - 1, ids[at]]) for at in range(len(prompt), len(ids))]
            numpy.testing.assert_allclose(result["logprobs"], own, atol=1e-4)


def test_generate_of_transformers(tmp_path, model):
    """tanh does not change which logit is the largest, so that generate itself is the reference."""
    traces.save(Disguised(model), tmp_path / "model.pt")
    prompts = traces.random_ids(6, 30, seed=12)
    answer = run_session(tmp_path / "model.pt",
                         [{"do": "generate", "prompts": prompts, "new": 12}], spec(2, 64))  # fmt: skip
    for prompt, result in zip(prompts, answer["answers"][0]):
        with torch.no_grad():
            expected = model.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0,
            )[0, len(prompt) :]  # fmt: skip
        assert result["new_ids"] == expected.tolist()


def test_mask_and_positions_as_inputs(tmp_path, model):
    ids = torch.randint(1, VOCABULARY, (2, 32))
    with torch.no_grad():
        torch.jit.trace(
            Masked(model), (torch.arange(32).repeat(2, 1), ids, torch.ones_like(ids)),
            strict=False, check_trace=False,
        ).save(str(tmp_path / "model.pt"))  # fmt: skip
    told = spec(2, 32, inputs=[["positions", "int64"], ["ids", "int64"], ["mask", "int64"]])
    prompts = traces.random_ids(5, 40, seed=14)
    answer = run_session(
        tmp_path / "model.pt", [{"do": "generate", "prompts": prompts, "new": 6}], told
    )
    assert answer["load"] == "OK", answer["text"]
    for prompt, result in zip(prompts, answer["answers"][0]):
        assert result["new_ids"] == greedy(Disguised(model), prompt, 6, POSITIONS)


@pytest.mark.parametrize("shape", SHAPES)
def test_scores(tmp_path, model, shape):
    told = save_shape(model, tmp_path / "model.pt", shape)
    documents = traces.random_ids(5, 60, seed=6)
    calls = [{"do": "score", "documents": documents, "top": 4},
             {"do": "score", "documents": documents, "top": 4, "chunk": 9, "slots": 3}]  # fmt: skip
    answer = run_session(tmp_path / "model.pt", calls, told)
    module = Disguised(model)
    for results in answer["answers"]:
        for ids, result in zip(documents, results):
            expected = traces.logprobs(module, ids)
            own = [float(expected[at, ids[at + 1]]) for at in range(len(ids) - 1)]
            assert result["status"] == "OK" and result["logprobs"][-1] is None
            numpy.testing.assert_allclose(result["logprobs"][:-1], own, atol=1e-4)
            for at, (top_ids, top_logprobs) in enumerate(result["tops"]):
                best = expected[at].topk(4)
                assert top_ids == best.indices.tolist()
                numpy.testing.assert_allclose(top_logprobs, best.values.tolist(), atol=1e-4)


def test_a_seed_draws_the_same_whoever_shares_the_step(tmp_path, model):
    traces.save(Disguised(model), tmp_path / "model.pt")
    prompts = traces.random_ids(6, 30, seed=2)
    settings = [{"temperature": 0.9, "top_p": 0.95, "top_k": 50, "seed": at} for at in range(6)]
    calls = [{"do": "generate", "prompts": prompts, "new": 10, "settings": settings}]
    calls += [{"do": "generate", "prompts": [prompt], "new": 10, "settings": [chosen]}
              for prompt, chosen in zip(prompts, settings)]  # fmt: skip
    together, *alone = run_session(tmp_path / "model.pt", calls, spec(2, 64))["answers"]
    for result, one in zip(together, alone):
        assert result["new_ids"] == one[0]["new_ids"]
    assert len({tuple(result["new_ids"]) for result in together}) == 6


def test_frequencies_are_those_of_the_model(tmp_path, model):
    traces.save(Disguised(model), tmp_path / "model.pt")
    prompt, count = [5, 9, 2], 4000
    settings = [{"temperature": 1.5, "top_k": 12, "seed": at} for at in range(count)]
    calls = [{"do": "generate", "prompts": [prompt] * count, "new": 1, "settings": settings}]
    answer = run_session(tmp_path / "model.pt", calls, spec(2, 64), {"max_sequences": 128})
    drawn = [result["new_ids"][0] for result in answer["answers"][0]]
    scores = traces.logprobs(Disguised(model), prompt)[-1] / 1.5
    kept = scores.topk(12)
    counts = [drawn.count(token) for token in kept.indices.tolist()]
    assert sum(counts) == count
    expected = kept.values.softmax(0).numpy() * count
    assert scipy.stats.chisquare(counts, expected).pvalue > 0.001


def test_a_model_that_is_not_causal_mixes_only_equal_lengths_or_says_so(tmp_path, model):
    traces.save(NeighboursSee(model), tmp_path / "model.pt")
    told = spec(2, 64, golden=golden_rows(NeighboursSee(model), 3))
    prompts = traces.random_ids(4, 20, seed=8)
    calls = [{"do": "generate", "prompts": prompts, "new": 5}]
    answer = run_session(tmp_path / "model.pt", calls, told)
    assert answer["load"] == "OK", answer["text"]
    assert "equal lengths" in answer["info"]["proof"]
    for prompt, result in zip(prompts, answer["answers"][0]):
        assert result["new_ids"] == greedy(NeighboursSee(model), prompt, 5, POSITIONS)


def test_a_row_that_is_not_finite_fails_its_sequence_alone(tmp_path, model):
    traces.save(NotFinite(model), tmp_path / "model.pt")
    calls = [{"do": "generate", "prompts": [[1, 2, 3], [7, 7, 7, 7, 9], [4, 4]], "new": 1}]
    answer = run_session(tmp_path / "model.pt", calls, spec(2, 64))
    assert answer["load"] == "OK", answer["text"]
    assert [one["status"] for one in answer["answers"][0]] == ["OK", "ENGINE", "OK"]


def test_input_out_of_range_is_refused(tmp_path, model):
    traces.save(Disguised(model), tmp_path / "model.pt")
    calls = [{"do": "generate", "prompts": [[1, VOCABULARY]], "new": 1},
             {"do": "generate", "prompts": [[1]], "new": 1, "settings": {"top_p": 2.0}},
             {"do": "generate", "prompts": [[1] * (POSITIONS + 1)], "new": 1, "chunk": 200},
             {"do": "generate", "prompts": [[1]], "new": 1}]  # fmt: skip
    answer = run_session(tmp_path / "model.pt", calls, spec(2, 64), {"max_step_tokens": 500})
    statuses = [one["status"] for one in answer["answers"][:3]]
    assert statuses == ["INVALID_INPUT"] * 3
    assert answer["answers"][3][0]["status"] == "OK"
