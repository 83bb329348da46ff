"""A GPT-2 from export to answer: against transformers on the same weights, whatever the way of running."""

import collections
import random
import subprocess
import sys

import numpy
import pytest

from daemon_process import SOURCE_DIR, Daemon, program
from model_folders import byte_level_tokenizer
from raw_protocol import floats_of, ids_of

pytestmark = pytest.mark.torch

VOCABULARY = 257
POSITIONS = 96
END_ID = 256


def spread_gpt2():
    """Large random weights: logits lie far apart, so that rounding decides no choice."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=48,
        n_layer=3,
        n_head=4,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        initializer_range=0.4,
    )
    return GPT2LMHeadModel(config).eval()


@pytest.fixture(scope="module")
def original():
    return spread_gpt2()


@pytest.fixture(scope="module")
def hugging_face_folder(scratch, original):
    folder = scratch / "gpt2-hf"
    original.save_pretrained(folder)
    byte_level_tokenizer(folder)
    return folder


def export(source, target, *options):
    program("libferry_torch.so")
    exporter = SOURCE_DIR / "tools" / "export" / "ferry-export"
    command = [sys.executable, exporter, source, "--task", "generate", "-o", target, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def model(scratch, hugging_face_folder):
    return export(hugging_face_folder, scratch / "gpt2")


@pytest.fixture(scope="module")
def daemon(model):
    with Daemon([model]) as running:
        yield running


@pytest.fixture
def client(daemon):
    with daemon.client(timeout=120) as raw:
        yield raw


def mixed_prompts(count, seed=1, longest=60):
    generator = random.Random(seed)
    return [
        [generator.randrange(256) for _ in range(generator.randint(1, longest))]
        for _ in range(count)
    ]


def greedy(original, prompts, new_tokens):
    """transformers' generate; prompts of one length share a batch, so that nothing is padded."""
    import torch

    by_length = collections.defaultdict(list)
    for i, prompt in enumerate(prompts):
        by_length[len(prompt)].append(i)
    expected = [None] * len(prompts)
    for places in by_length.values():
        ids = torch.tensor([prompts[i] for i in places])
        out = original.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=new_tokens,
            pad_token_id=END_ID,
        )
        for i, row in zip(places, out[:, ids.shape[1] :].tolist()):
            expected[i] = row[: row.index(END_ID)] if END_ID in row else row
    return expected


def served(client, prompts, new_tokens, together):
    answers = []
    for begin in range(0, len(prompts), together):
        part = prompts[begin : begin + together]
        reply = client.ok({"op": "generate", "ids": part, "max_new_tokens": new_tokens})
        answers += [ids_of(item[0]["ids"]) for item in reply["choices"]]
    return answers


def logprobs_of(original, ids):
    import torch

    with torch.no_grad():
        rows = torch.log_softmax(original(torch.tensor([ids])).logits[0].double(), -1)
    return numpy.array([float(rows[i, ids[i + 1]]) for i in range(len(ids) - 1)])


def test_the_packed_engine_is_proven_and_used(client):
    status = client.ok({"op": "status"})["server"]["models"][0]
    assert status["engine"] == "packed" and status["task"] == "generate"
    reply = client.ok({"op": "generate", "ids": [[1]], "max_new_tokens": 1})
    assert reply["model"]["engine"] == "packed"


def test_greedy_of_a_thousand_prompts_equals_transformers(client, original):
    prompts = mixed_prompts(1000)
    expected = greedy(original, prompts, 24)
    for together in (1000, 7):
        got = served(client, prompts, 24, together)
        wrong = [i for i in range(1000) if got[i] != expected[i]]
        assert not wrong, f"{len(wrong)} of 1000 differ, first {wrong[0]}"


def test_log_probabilities_equal_transformers(client, original):
    texts = mixed_prompts(60, seed=2, longest=POSITIONS)
    scores = client.ok({"op": "score", "ids": texts})["scores"]
    for ids, score in zip(texts, scores):
        if len(ids) > 1:
            difference = floats_of(score["logprobs"])[1:] - logprobs_of(original, ids)
            assert numpy.abs(difference).max() <= 1e-4
    prompts = mixed_prompts(20, seed=3, longest=40)
    reply = client.ok(
        {"op": "generate", "ids": prompts, "max_new_tokens": 10, "logprobs": True, "seed": 1}
        | {"temperature": 0.9, "top_k": 20}
    )
    for ids, (choice,) in zip(prompts, reply["choices"]):
        whole = ids + ids_of(choice["ids"])
        expected = logprobs_of(original, whole)[len(ids) - 1 :]
        got = floats_of(choice["logprobs"])
        assert len(got) == len(expected)
        assert len(got) == 0 or numpy.abs(got - expected).max() <= 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 3.0},
        {"temperature": 4.0, "top_k": 12},
        {"temperature": 4.0, "top_p": 0.8},
        {"temperature": 4.0, "min_p": 0.05},
        {"temperature": 3.0, "repetition_penalty": 1.5, "top_k": 40, "top_p": 0.9},
    ],
)
def test_sampled_frequencies_follow_the_filtered_distribution(client, original, options):
    """Chi-square of 6,400 draws; the seeds are fixed, so the verdict is too."""
    import torch
    from scipy.stats import chisquare
    from transformers import GenerationConfig, LogitsProcessorList

    ids = mixed_prompts(1, seed=4, longest=30)[0]
    config = GenerationConfig(do_sample=True, pad_token_id=END_ID, top_k=0)
    for name, value in options.items():
        setattr(config, name, value)
    tokens = torch.tensor([ids])
    processors = original._get_logits_processor(
        config, input_ids_seq_length=len(ids), logits_processor=LogitsProcessorList()
    )
    with torch.no_grad():
        logits = processors(tokens, original(tokens).logits[:, -1].float())
    wanted = torch.softmax(logits[0].double(), -1).numpy()
    counts = numpy.zeros(VOCABULARY)
    for seed in range(100):
        reply = client.ok(
            {"op": "generate", "ids": [ids], "n": 64, "seed": seed, "max_new_tokens": 1}
            | {"ignore_end": True, **options}
        )
        for choice in reply["choices"][0]:
            counts[ids_of(choice["ids"])[0]] += 1
    assert not counts[wanted == 0].any(), "a token that is filtered out was drawn"
    enough = wanted * counts.sum() >= 5
    got = numpy.append(counts[enough], counts[~enough].sum())
    expected = numpy.append(wanted[enough], wanted[~enough].sum()) * counts.sum()
    keep = expected > 0
    assert chisquare(got[keep], expected[keep]).pvalue > 1e-4


def test_text_goes_through_the_tokenizer_of_the_export(client, original):
    text = "The ferry leaves at seven. Die Fähre 渡し船"
    ids = ids_of(client.ok({"op": "tokenize", "texts": [text]})["items"][0]["ids"])
    choice = client.ok({"op": "generate", "texts": [text], "max_new_tokens": 20})["choices"][0][0]
    assert ids_of(choice["ids"]) == greedy(original, [ids], 20)[0]
    told = client.ok({"op": "detokenize", "ids": [ids_of(choice["ids"])]})["texts"][0]
    assert choice["text"] == told


@pytest.mark.parametrize("options", [["--plain"], ["--fixed=batch"], ["--fixed=both"]])
def test_a_trace_that_is_bound_is_served_as_well(
    scratch, hugging_face_folder, original, start_daemon, options
):
    name = "gpt2-" + options[0].strip("-").replace("=", "-")
    daemon = start_daemon([export(hugging_face_folder, scratch / name, *options)])
    prompts = mixed_prompts(12, seed=5)
    with daemon.client(timeout=120) as client:
        assert served(client, prompts, 8, 12) == greedy(original, prompts, 8)
        scores = client.ok({"op": "score", "ids": prompts})["scores"]
    for ids, score in zip(prompts, scores):
        if len(ids) > 1:
            difference = floats_of(score["logprobs"])[1:] - logprobs_of(original, ids)
            assert numpy.abs(difference).max() <= 1e-4


def test_a_combined_model_is_served_as_it_is(scratch, hugging_face_folder, original, start_daemon):
    model = export(hugging_face_folder, scratch / "gpt2-combined", "--combined")
    daemon = start_daemon([model])
    prompts = mixed_prompts(6, seed=6, longest=30)
    with daemon.client(timeout=120) as client:
        reply = client.ok(
            {"op": "generate", "ids": prompts, "max_new_tokens": 8, "temperature": 0.0}
        )
        assert [ids_of(item[0]["ids"]) for item in reply["choices"]] == greedy(original, prompts, 8)
        fields = {"op": "generate", "ids": prompts[:1], "max_new_tokens": 12, "seed": 3}
        first = client.ok({**fields, "temperature": 2.0})["choices"]
        again = client.ok({**fields, "temperature": 2.0})["choices"]
        assert first == again
        reply = client.call({"op": "score", "ids": prompts})
        assert reply["status"] == "UNSUPPORTED"
        reply = client.call({**fields, "repetition_penalty": 1.5})
        assert reply["status"] == "UNSUPPORTED" and "repetition_penalty" in reply["message"]
