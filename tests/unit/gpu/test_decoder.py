"""The packed decoder through the C boundary, against transformers on the same weights."""

import random

import pytest
import torch

import gpt2_traces as traces
from decode_driver import SCORE, DecodeProbe, entry, nothing, sample, score
from gpt2_traces import POSITIONS, VOCABULARY

LIMIT = 1e-4  # of a log-probability, as the issue states it


def decoder(path, **options):
    return DecodeProbe(path, **({"vocabulary": VOCABULARY, "positions": POSITIONS} | options))


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """(model, trace)"""
    model = traces.make_gpt2()
    path = tmp_path_factory.mktemp("gpt2") / "model.pt"
    traces.save(traces.Plain(model), path)
    return model, path


def assert_scores(module, ids, logprobs, first=0):
    """Log-probabilities of ids[first + 1:], as score() asks for them."""
    expected = traces.logprobs(module, ids)
    assert len(logprobs) == len(ids) - first and logprobs[-1] is None
    for at, logprob in enumerate(logprobs[:-1], first):
        assert abs(logprob - expected[at, ids[at + 1]].item()) < LIMIT


# ---- what is recognised ----

RECOGNISED = {
    "as transformers has it": lambda: traces.Plain(traces.make_gpt2()),
    "fused attention": lambda: traces.Plain(traces.make_gpt2(attn_implementation="sdpa")),
    "in wrappers": lambda: traces.Wrapped(traces.make_gpt2()),
    "a head of its own": lambda: traces.Plain(traces.make_gpt2(tie_word_embeddings=False)),
    "other heads": lambda: traces.Plain(traces.make_gpt2(n_head=8)),
    "one head": lambda: traces.Plain(traces.make_gpt2(n_head=1)),
    "other epsilon": lambda: traces.Plain(traces.make_gpt2(layer_norm_epsilon=1e-2)),
    "gelu": lambda: traces.Plain(traces.make_gpt2(activation_function="gelu")),
    "relu": lambda: traces.Plain(traces.make_gpt2(activation_function="relu")),
    "scaled by layer": lambda: traces.Plain(traces.make_gpt2(scale_attn_by_inverse_layer_idx=True)),
    # Smaller weights: large scores would make the rounding of either side large.
    "not scaled": lambda: traces.Plain(
        traces.make_gpt2(scale_attn_weights=False, initializer_range=0.15)
    ),
    "other inner width": lambda: traces.Plain(traces.make_gpt2(n_inner=100)),
    "odd widths": lambda: traces.Plain(traces.make_gpt2(n_embd=35, n_head=5)),
    "other names, nn.Linear": lambda: traces.Own(),
}


@pytest.mark.parametrize("kind", RECOGNISED)
def test_recognised(tmp_path, kind):
    module = RECOGNISED[kind]()
    traces.save(module, tmp_path / "model.pt")
    with decoder(tmp_path / "model.pt") as probe:
        assert probe.info["load"] == "OK", probe.info["load_text"]
        assert probe.info["engine"] == "packed", probe.info["proof"]
        for ids in traces.random_ids(3, POSITIONS, shortest=40):
            assert_scores(module, ids, probe.run([score(0, ids)])[0]["logprobs"])


NOT_RECOGNISED = {
    "other logits than the weights say": (lambda: traces.Scaled(traces.make_gpt2()), "differ"),
    "log-probabilities": (lambda: traces.Normalised(traces.make_gpt2()), "differ"),
    "the id of the padding cannot come": (traces.Suppressing, "differ"),
    "the id of the padding is masked": (lambda: traces.MaskingById(traces.make_gpt2()), "differ"),
    "no GPT-2": (traces.Bigram, "wte.weight"),
    "an activation that is unknown": (
        lambda: traces.Plain(traces.make_gpt2(activation_function="silu")),
        "",
    ),
    "weights in half precision": (
        lambda: traces.Plain(traces.make_gpt2().bfloat16()),
        "float32",
    ),
}


@pytest.mark.parametrize("kind", NOT_RECOGNISED)
def test_decoded_by_the_trace_itself(tmp_path, kind):
    make, reason = NOT_RECOGNISED[kind]
    module = make()
    traces.save(module, tmp_path / "model.pt")
    with decoder(tmp_path / "model.pt") as probe:
        assert probe.info["load"] == "OK", probe.info["load_text"]
        assert (probe.info["engine"], probe.info["block_tokens"]) == ("torch", 0)
        assert reason in probe.info["proof"]
        ids = traces.random_ids(1, 40, shortest=30)[0]
        with torch.no_grad():
            best = module(torch.tensor([ids]))[0, -1].argmax().item()
        assert probe.run([sample(0, ids)])[0]["new_ids"] == [best]


def test_a_trace_made_the_plain_way(tmp_path):
    """(1, n_positions): often bound to that batch; the packed decoder is bound to nothing."""
    model = traces.Plain(traces.make_gpt2(attn_implementation="sdpa"))
    traces.save(model, tmp_path / "model.pt", 1, POSITIONS)
    with decoder(tmp_path / "model.pt", traced_batch=1, traced_length=POSITIONS) as probe:
        assert probe.info["engine"] == "packed", probe.info
        sequences = traces.random_ids(5, POSITIONS)
        answers = probe.run([score(slot, ids) for slot, ids in enumerate(sequences)])
        for ids, answer in zip(sequences, answers):
            assert_scores(model, ids, answer["logprobs"])


@pytest.mark.parametrize("positions, heads", [(2, 3), (4, 4), (8, 8), (11, 1)])
def test_few_positions(tmp_path, positions, heads):
    model = traces.Plain(traces.make_gpt2(n_positions=positions, n_head=heads))
    traces.save(model, tmp_path / "model.pt", 2, positions)
    with decoder(tmp_path / "model.pt", positions=positions, traced_length=positions) as probe:
        assert probe.info["engine"] == "packed", probe.info
        ids = traces.random_ids(1, positions, shortest=positions)[0]
        assert_scores(model, ids, probe.run([score(0, ids)])[0]["logprobs"])


def test_golden_rows(gpt2):
    model, path = gpt2
    rows = []
    for ids in traces.random_ids(4, 50, shortest=2):
        expected = traces.logprobs(traces.Plain(model), ids)
        rows.append((ids, [expected[at, ids[at + 1]].item() for at in range(len(ids) - 1)]))
    with decoder(path, golden=rows) as probe:
        assert probe.info["engine"] == "packed"
        assert "4 golden rows within" in probe.info["model_proof"]
    rows[2][1][0] += 0.01
    with decoder(path, golden=rows) as probe:
        assert probe.info["load"] == "BAD_DATA"
        assert "golden row 2" in probe.info["load_text"]


def test_vocabulary_that_does_not_match(gpt2):
    with decoder(gpt2[1], vocabulary=VOCABULARY - 1) as probe:
        assert probe.info["load"] == "BAD_DATA"
        assert str(VOCABULARY) in probe.info["load_text"]


# ---- steps ----


@pytest.mark.parametrize("threads", [1, 3])
def test_steps_of_every_mix(gpt2, threads):
    """Sequences begin, go on in parts and end whenever it comes; the numbers do not care."""
    model, path = gpt2
    choose = random.Random(1)
    with decoder(path, threads=threads, max_sequences=7) as probe:
        waiting = traces.random_ids(60, POSITIONS)
        running = {}  # slot: [ids, done]
        while waiting or running:
            for slot in set(range(7)) - set(running):
                if waiting and choose.random() < 0.5:
                    running[slot] = [waiting.pop(), 0]
            chosen = {s: t for s, t in running.items() if choose.random() < 0.7}
            entries, ends = [], {}
            for slot, (ids, done) in chosen.items():
                ends[slot] = min(len(ids), done + choose.choice([1, 1, 2, 5, 16, 17, 40]))
                targets = ids[done + 1 : ends[slot] + 1]
                targets += [-1] * (ends[slot] - done - len(targets))
                entries.append(score(slot, ids[: ends[slot]], done, targets))
            if not entries:
                continue
            for slot, answer in zip(chosen, probe.run(entries)):
                ids, done = running[slot]
                check_part(model, ids, done, ends[slot], answer["logprobs"])
                running[slot][1] = ends[slot]
                if ends[slot] == len(ids):
                    probe.release(slot)
                    del running[slot]


def check_part(model, ids, done, end, logprobs):
    expected = traces.logprobs(traces.Plain(model), ids)
    for at in range(done, end):
        if at + 1 == len(ids):
            assert logprobs[at - done] is None
        else:
            assert abs(logprobs[at - done] - expected[at, ids[at + 1]].item()) < LIMIT


def test_most_probable(gpt2):
    model, path = gpt2
    ids = traces.random_ids(1, 60, shortest=50)[0]
    expected = traces.logprobs(traces.Plain(model), ids)
    with decoder(path) as probe:
        scored = probe.run([score(0, ids, top=5)])[0]
        sampled = probe.run([sample(1, ids, top=5)])[0]
    values, best = expected.topk(5)
    assert scored["top_ids"] == best.flatten().tolist()
    assert sampled["top_ids"] == best[-1].tolist()
    assert sampled["new_ids"] == [best[-1, 0].item()]
    for answer, wanted in ((scored["top_logprobs"], values), (sampled["top_logprobs"], values[-1])):
        assert max(abs(a - b) for a, b in zip(answer, wanted.flatten().tolist())) < LIMIT
    assert abs(sampled["logprobs"][0] - values[-1, 0].item()) < LIMIT


# ---- greedy, as transformers generates ----

PROMPTS, NEW_TOKENS = 1000, 12


def generate_with_transformers(model, prompts):
    """Prompts of one length at a time, so that nothing is padded."""
    results = [None] * len(prompts)
    for length in {len(prompt) for prompt in prompts}:
        which = [at for at, prompt in enumerate(prompts) if len(prompt) == length]
        ids = torch.tensor([prompts[at] for at in which])
        with torch.no_grad():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None,
                pad_token_id=0, max_new_tokens=NEW_TOKENS,
            )  # fmt: skip
        for at, row in zip(which, made[:, length:].tolist()):
            results[at] = row
    return results


def generate_with_ferry(probe, prompts, slots, seed):
    """Continuous batching, at most `slots` at a time; prompts enter whole or in two parts."""
    choose = random.Random(seed)
    order = list(range(len(prompts)))
    choose.shuffle(order)
    results, running = [None] * len(prompts), {}  # slot: [index, ids, cached]
    while order or running:
        for slot in set(range(slots)) - set(running):
            if order and choose.random() < 0.8:
                at = order.pop()
                running[slot] = [at, list(prompts[at]), 0]
        entries = {slot: next_entry(choose, slot, *running[slot]) for slot in running}
        if not entries:
            continue
        for (slot, (_, cached)), answer in zip(
            entries.items(), probe.run([text for text, _ in entries.values()])
        ):
            at, ids, _ = running[slot]
            ids.extend(answer["new_ids"])
            running[slot][2] = cached
            if len(ids) == len(prompts[at]) + NEW_TOKENS:
                results[at] = ids[len(prompts[at]) :]
                probe.release(slot)
                del running[slot]
    return results


def next_entry(choose, slot, _, ids, cached):
    """(entry, what is cached after it)"""
    if cached == 0 and len(ids) > 1 and choose.random() < 0.3:
        cut = choose.randrange(1, len(ids))
        return nothing(slot, ids[:cut]), cut
    return sample(slot, ids, cached), len(ids)


def test_greedy_is_that_of_transformers(gpt2):
    model, path = gpt2
    prompts = traces.random_ids(PROMPTS, POSITIONS - NEW_TOKENS, seed=9)
    expected = generate_with_transformers(model, prompts)
    with decoder(path, max_sequences=24, max_step_tokens=24 * POSITIONS) as probe:
        assert probe.info["engine"] == "packed"
        for slots in (24, 5):
            assert generate_with_ferry(probe, prompts, slots, seed=slots) == expected
        few = prompts[:50]
        assert generate_with_ferry(probe, few, 1, seed=1) == expected[:50]


# ---- blocks, slots, failures ----


def test_blocks_are_counted_exactly(gpt2):
    model, path = gpt2
    with decoder(path) as probe:
        block_bytes = probe.info["cache_bytes"] // probe.info["blocks"]
    with decoder(path, cache_bytes=9 * block_bytes + 1, max_sequences=4) as probe:
        assert probe.info["blocks"] == 9 and probe.info["cache_bytes"] == 9 * block_bytes
        ids = traces.random_ids(1, POSITIONS, shortest=POSITIONS)[0]
        probe.run([nothing(0, ids[:64])])  # 4 blocks
        probe.run([nothing(1, ids[:65])])  # 5 blocks: all are taken
        full = probe.step([nothing(2, ids[:1])])
        assert full["status"] == "INTERNAL" and "9" in full["text"]
        assert probe.step([nothing(0, ids[:65], 64)])["status"] == "INTERNAL"
        probe.run([nothing(1, ids[:80], 65)])  # fits into the fifth block
        probe.release(0)
        answers = probe.run([score(2, ids[:33]), nothing(3, ids[:16])])  # 3 and 1 blocks
        assert_scores(traces.Plain(model), ids[:33], answers[0]["logprobs"])
        assert probe.step([nothing(0, ids[:1])])["status"] == "INTERNAL"
        # A slot that begins anew gives its blocks back in the same step in which others take them.
        answers = probe.run([score(0, ids[:64]), score(1, ids[:16])])
        assert_scores(traces.Plain(model), ids[:64], answers[0]["logprobs"])
        assert_scores(traces.Plain(model), ids[:16], answers[1]["logprobs"])


def test_cache_too_small_for_one_sequence(gpt2):
    with decoder(gpt2[1], cache_bytes=1000) as probe:
        assert probe.info["load"] == "CONFIG"
        assert "1000 bytes" in probe.info["load_text"]


def test_a_slot_used_again_knows_nothing_of_before(gpt2):
    model, path = gpt2
    first, second = traces.random_ids(2, POSITIONS, seed=3, shortest=70)
    with decoder(path, max_sequences=1) as probe:
        probe.run([nothing(0, first)])
        assert_scores(traces.Plain(model), second, probe.run([score(0, second)])[0]["logprobs"])
        probe.release(0)
        probe.release(0)
        assert_scores(traces.Plain(model), first, probe.run([score(0, first)])[0]["logprobs"])


def test_a_step_that_is_refused_changes_nothing(gpt2):
    model, path = gpt2
    first, second = traces.random_ids(2, 60, seed=3, shortest=50)
    with decoder(path, max_step_tokens=200) as probe:
        probe.run([nothing(0, first[:30]), nothing(1, second[:30])])
        bad = second[:31] + [VOCABULARY] + second[32:]
        refused = [
            ([nothing(0, first, 30), nothing(1, bad, 30)], "INVALID_INPUT"),
            ([nothing(0, first, 30), nothing(1, [1] * (POSITIONS + 1), 30)], "INVALID_INPUT"),
            ([nothing(0, first, 30), nothing(0, first, 30)], "INTERNAL"),
            ([nothing(0, first, 30), nothing(1, second, 29)], "INTERNAL"),
            ([nothing(0, first, 30), sample(1, second, 30, top_p=2)], "INVALID_INPUT"),
            ([nothing(slot, [1] * 90) for slot in range(2, 5)], "INTERNAL"),
        ]
        for entries, status in refused:
            assert probe.step(entries)["status"] == status
        answers = probe.run([score(0, first, 30), score(1, second, 30)])
        assert_scores(traces.Plain(model), first, answers[0]["logprobs"], 30)
        assert_scores(traces.Plain(model), second, answers[1]["logprobs"], 30)


def test_a_sequence_that_is_not_finite_fails_alone(tmp_path):
    strange = 4321
    model = traces.make_gpt2(vocab_size=5000, tie_word_embeddings=False)
    with torch.no_grad():
        model.transformer.wte.weight[strange] = float("nan")
    traces.save(traces.Plain(model), tmp_path / "model.pt")
    ids = traces.random_ids(1, 60, shortest=50)[0]
    broken = ids[:20] + [strange] + ids[21:]
    expected = None
    with decoder(tmp_path / "model.pt", vocabulary=5000) as probe:
        assert probe.info["engine"] == "packed", probe.info
        answers = probe.run([score(0, ids), sample(1, broken), score(2, broken), score(3, ids)])
        assert [a["status"] for a in answers] == ["OK", "ENGINE", "ENGINE", "OK"]
        assert_scores(traces.Plain(model), ids, answers[0]["logprobs"])
        assert answers[0]["logprobs"] == answers[3]["logprobs"]
        expected = answers[0]["logprobs"]
        assert probe.step([sample(1, broken + [1], len(broken))])["status"] == "INTERNAL"
        for slot in range(4):
            probe.release(slot)
        # The blocks of the failed ones hold no number; whoever comes next does not notice.
        for slot in range(4):
            assert probe.run([score(slot, ids)])[0]["logprobs"] == expected


def test_memory_is_flat(gpt2):
    choose = random.Random(2)
    ids = traces.random_ids(1, POSITIONS, shortest=POSITIONS)[0]
    with decoder(gpt2[1], max_sequences=16) as probe:
        for slot in range(16):  # touch the whole pool once
            probe.run([score(slot, ids, top=20)])
        early = None
        for step in range(500):
            entries = []
            for slot in choose.sample(range(16), choose.randrange(1, 9)):
                length = choose.randrange(1, 61)
                wanted = choose.choice([SCORE, 0, 1])
                targets = [1] * length if wanted == SCORE else []
                entries.append(entry(slot, ids[:length], 0, wanted, 0, targets))
            probe.run(entries)
            if step == 50:
                early = probe.memory()
        assert probe.memory() - early < 2048  # KiB
