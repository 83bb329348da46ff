"""The vectors are the model's: equal to sentence-transformers' within 1e-5, in any company.

"Company" is what else is in the batch: nothing, texts of any length, only longest ones. Also for
traces that fix their length, their batch, or both.
"""

import random
import sys
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import sample_texts  # noqa: E402
from model_folders import bert_folder  # noqa: E402
from raw_protocol import matrix  # noqa: E402
from traces import make_fixed  # noqa: E402

pytestmark = pytest.mark.torch
TOLERANCE = 1e-5
COUNT = 2000
FIXED_LENGTH = 64


@pytest.fixture(scope="module")
def texts():
    return sample_texts.mixed(COUNT)


@pytest.fixture(scope="module")
def reference(texts):
    """Function (limit in tokens) -> the reference's rows of texts."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(2)
    model = SentenceTransformer(str(bert_folder()), device="cpu")
    assert model.max_seq_length == 256
    rows = {}

    def compute(limit):
        if limit not in rows:
            model.max_seq_length = limit
            rows[limit] = model.encode(texts, batch_size=32, show_progress_bar=False)
        return rows[limit]

    return compute


def embed_in_flight(client, groups):
    """Sends all groups of texts as requests of their own before reading; rows by group."""
    numbers = {client.send({"op": "embed", "texts": group}): i for i, group in enumerate(groups)}
    rows = [None] * len(groups)
    for _ in groups:
        reply = client.receive(timeout=300)
        assert reply["status"] == "OK" and "errors" not in reply, reply
        rows[numbers.pop(reply["id"])] = matrix(reply["vectors"])
    assert not numbers
    return rows


def assert_near(rows, expected, texts):
    difference = numpy.abs(rows - expected).max(axis=1)
    worst = int(difference.argmax())
    assert difference[worst] <= TOLERANCE, f"{difference[worst]:.2e} for {texts[worst][:200]!r}"


def shuffled_groups(count, largest, seed):
    generator = random.Random(seed)
    order = list(range(count))
    generator.shuffle(order)
    groups = []
    while order:
        size = generator.randint(1, largest)
        groups.append(order[:size])
        order = order[size:]
    return groups


def check_in_groups(client, texts, expected, groups):
    rows = numpy.empty_like(expected)
    for start in range(0, len(groups), 200):  # a bounded number of requests in flight
        part = groups[start : start + 200]
        for group, found in zip(
            part, embed_in_flight(client, [[texts[i] for i in g] for g in part])
        ):
            rows[group] = found
    assert_near(rows, expected, texts)


def test_all_texts_shuffled_in_requests_of_any_size(torch_client, texts, reference):
    groups = shuffled_groups(len(texts), 64, seed=5)
    check_in_groups(torch_client, texts, reference(256), groups)


def test_each_text_alone_in_its_batch(torch_client, texts, reference):
    expected = reference(256)
    chosen = random.Random(6).sample(range(len(texts)), 300)
    rows = [torch_client.embed([texts[i]])[0][0] for i in chosen]
    assert_near(numpy.stack(rows), expected[chosen], [texts[i] for i in chosen])


def test_each_text_among_longest_ones(torch_client, texts, reference):
    expected = reference(256)
    long_text = "a very long text that fills its window to the brim " * 40
    chosen = random.Random(7).sample(range(len(texts)), 120)
    rows = [torch_client.embed([long_text, texts[i], long_text + "!"])[0][1] for i in chosen]
    assert_near(numpy.stack(rows), expected[chosen], [texts[i] for i in chosen])


def test_the_reply_says_what_the_reference_cut(torch_client, texts):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bert_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sample = texts[:300]
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(sample)]
    _, reply = torch_client.embed(sample)
    assert reply["tokens"] == [min(length, 256) for length in lengths]
    assert reply["truncated"] == [length > 256 for length in lengths]


@pytest.mark.parametrize(
    "what, batch, count", [("length", 2, COUNT), ("batch", 4, COUNT), ("both", 3, 300)]
)
def test_traces_that_fix_a_shape(start_daemon, scratch, texts, reference, what, batch, count):
    folder = make_fixed(scratch / f"fixed-{what}", what, batch, FIXED_LENGTH)
    daemon = start_daemon([folder])
    with daemon.client() as client:
        (model,) = client.ok({"op": "status"})["server"]["models"]
        assert model["fixed_batch"] == (0 if what == "length" else batch)
        assert model["fixed_length"] == (0 if what == "batch" else FIXED_LENGTH)
        expected = reference(FIXED_LENGTH)[:count]
        check_in_groups(client, texts[:count], expected, shuffled_groups(count, 64, seed=8))


def test_narrow_dtypes_keep_the_accuracy_they_promise(torch_client, texts):
    sample = texts[:200]
    exact, _ = torch_client.embed(sample)
    for dtype, bytes_a_row in (("f16", 768), ("int8", 384), ("binary", 48)):
        reply = torch_client.ok({"op": "embed", "texts": sample, "dtype": dtype})
        vectors = reply["vectors"]
        assert vectors["dtype"] == dtype and vectors["shape"] == [len(sample), 384]
        assert len(vectors["data"]) == bytes_a_row * len(sample)
        rows = matrix(vectors)
        if dtype == "f16":
            # Computed in other batches than `exact`, so half a unit of f16 more than rounding alone.
            assert (numpy.abs(rows - exact) <= numpy.abs(exact) * 2.0**-11 + 1e-6).all()
        elif dtype == "int8":
            scales = numpy.frombuffer(vectors["scales"], "<f4")
            assert (numpy.abs(rows - exact) <= scales[:, None] * 0.5 + 1e-6).all()
            cosine = (rows * exact).sum(1) / numpy.linalg.norm(rows, axis=1)
            assert cosine.min() > 0.9998
        else:
            clear = numpy.abs(exact) > 1e-6
            assert ((rows > 0) == (exact > 0))[clear].all()
