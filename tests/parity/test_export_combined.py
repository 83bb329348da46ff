"""Combined models: a TorchScript that generates by itself, made by the exporter or by its user."""

import collections
import itertools
import shutil

import pytest
import torch
import transformers

from export_models import export, make_gpt2, one_thread, read_manifest, run_exporter

USAGE, BAD_DATA, NO_INPUT = 64, 65, 66
TASK = ("--task", "generate", "--combined")
TOKENS, POSITIONS = 300, 48
USERS_OWN = """\
import torch


class Sampler(torch.nn.Module):
    def __init__(self, traced):
        super().__init__()
        self.traced = traced

    def forward(self, input_ids: torch.Tensor, length: int, temperature: float = 1.0,
                min_p: float = 0.0, repetition_penalty: float = 1.0) -> torch.Tensor:
        made = torch.zeros([0], dtype=torch.int64)
        for _ in range(length):
            scores = self.traced(torch.cat([input_ids, made.unsqueeze(0)], 1))[0, -1]
            used = torch.cat([input_ids[0], made])
            penalized = torch.where(scores[used] < 0, scores[used] * repetition_penalty,
                                    scores[used] / repetition_penalty)
            scores = scores.scatter(0, used, penalized)
            if temperature == 0.0:
                token = scores.argmax().view(1)
            else:
                chances = (scores / temperature).softmax(0)
                chances = torch.where(chances < min_p * chances.max(), 0.0, chances)
                token = torch.multinomial(chances, 1)
            made = torch.cat([made, token])
        return made
"""
HEAD = """\
import torch


class Sampler(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.calls = 0

    def forward(self, ids: torch.Tensor, n: int) -> torch.Tensor:
        self.calls += 1
        for _ in range(n):
            ids = torch.cat([ids, self.model(ids)[:, -1:].argmax(-1)], 1)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_gpt2(tmp_path_factory.mktemp("source") / "gpt2", n_positions=POSITIONS)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "combined"
    export(source, folder, *TASK)
    return folder


@pytest.fixture
def rows_in_this_process(monkeypatch):
    """Saves seconds where the time limit is not what is tested."""
    from ferry_export import combined_rows, row_runner

    def run_rows(model, inputs, index, rows, _limit, _describe):
        job, loaded = {"inputs": inputs, "output_index": index}, torch.jit.load(str(model)).eval()
        return [row_runner.answer(loaded, job, row) for row in rows]

    monkeypatch.setattr(combined_rows, "run_rows", run_rows)


def load(folder):
    return torch.jit.load(str(folder / "model.pt")).eval()


def user_options(tmp_path, text):
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    return (*TASK, "--module", f"{tmp_path / 'mine.py'}:Sampler")


def arguments_of(manifest, row):
    """As ferryd fills them: by the manifest alone."""
    kinds = {"int": int, "float": float}
    return [
        (
            torch.tensor([row["ids"]])
            if fact["kind"] == "ids"
            else kinds[fact["dtype"]](row[fact["kind"]])
        )
        for fact in manifest["inputs"]
    ]


def check_rows(folder):
    manifest, model = read_manifest(folder), load(folder)
    rows = manifest["golden"]["rows"]
    assert len(rows) >= 3
    for row in rows:
        torch.manual_seed(row["seed"])
        with torch.no_grad():
            ids = model(*arguments_of(manifest, row)).flatten().tolist()
        if manifest["output"]["shape"] == "ids_with_prompt":
            assert ids[: len(row["ids"])] == row["ids"]
            ids = ids[len(row["ids"]) :]
        assert ids == row["expected"]
        assert 1 <= len(ids) <= row["new_tokens"] <= manifest["max_new_tokens"]
        assert len(row["ids"]) + row["new_tokens"] <= manifest["max_length"]
    return manifest


def test_the_exporters_own(exported):
    manifest = check_rows(exported)
    assert manifest["decode"] == "module" and manifest["task"] == "generate"
    assert [(fact["kind"], fact["dtype"]) for fact in manifest["inputs"]] == [
        ("ids", "int64"),
        ("new_tokens", "int"),
        ("temperature", "float"),
        ("top_k", "int"),
        ("top_p", "float"),
        ("seed", "int"),
    ]
    assert manifest["output"] == {"index": 0, "shape": "ids_with_prompt"}
    assert manifest["max_new_tokens"] == POSITIONS - 1 and manifest["max_length"] == POSITIONS
    assert manifest["end_ids"] == [0] and manifest["vocabulary_size"] == TOKENS
    rows = manifest["golden"]["rows"]
    assert {row["temperature"] for row in rows} >= {0.0, 1.0, 0.75}
    assert any("text" in row for row in rows)


def test_greedy_is_transformers_generate(source, exported):
    model = transformers.GPT2LMHeadModel.from_pretrained(source).eval()
    sampler = load(exported)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(1, TOKENS, (1, 1 + 4 * seed), generator=generator)
        with torch.no_grad():
            ours = sampler(ids, 10, 0.0, 0, 1.0, 0)
        theirs = model.generate(ids, do_sample=False, max_new_tokens=10, pad_token_id=0)
        assert ours.tolist() == theirs.tolist()


def filtered(scores, temperature, top_k, top_p):
    """The reference: transformers' own processors, in their order."""
    processors = transformers.LogitsProcessorList()
    processors.append(transformers.TemperatureLogitsWarper(temperature))
    if top_k:
        processors.append(transformers.TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(transformers.TopPLogitsWarper(top_p))
    return processors(None, scores[None])[0]


@pytest.mark.parametrize(
    "temperature,top_k,top_p", list(itertools.product((0.5, 2.0), (0, 1, 7), (0.3, 1.0)))
)
def test_filters_are_those_of_transformers(temperature, top_k, top_p):
    from ferry_export.sampler import Sampler

    sampler = Sampler(torch.nn.Identity(), [0], POSITIONS)
    generator = torch.Generator().manual_seed(3)
    for _ in range(50):
        scores = torch.randn(TOKENS, generator=generator) * 3
        ours = sampler.keep_top_p(sampler.keep_top_k(scores / temperature, top_k), top_p)
        assert torch.equal(ours, filtered(scores, temperature, top_k, top_p))


def test_draws_follow_the_chances(source, exported):
    """Nothing outside the set is ever drawn, and chi-square finds no difference inside it."""
    sampler, draws = load(exported), 250
    ids = torch.tensor([[5, 17, 200]])
    with torch.no_grad():
        model = transformers.GPT2LMHeadModel.from_pretrained(source).eval()
        chances = filtered(model(ids).logits[0, -1], 2.0, 6, 1.0).softmax(-1)
        counts = collections.Counter(
            sampler(ids, 1, 2.0, 6, 1.0, seed)[0, -1].item() for seed in range(draws)
        )
    possible = chances.nonzero().flatten().tolist()
    assert set(counts) <= set(possible) and len(possible) == 6
    expected = [chances[token].item() * draws for token in possible]
    assert min(expected) >= 5  # as chi-square needs it
    statistic = sum((counts[one] - b) ** 2 / b for one, b in zip(possible, expected))
    assert statistic < 20.5  # 0.1 % at 5 degrees of freedom; the seeds are fixed


def test_end_id_ends_and_room_is_kept(exported):
    sampler = load(exported)
    lengths = set()
    with torch.no_grad():
        for seed in range(15):
            ids = sampler(torch.tensor([[1, 2]]), 30, 3.0, 0, 1.0, seed)[0].tolist()
            assert 0 not in ids[:-1]
            assert ids[-1] == 0 or len(ids) == 32
            lengths.add(len(ids))
        assert len(lengths) > 1
        full = sampler(torch.full((1, POSITIONS - 2), 7), 30, 0.0, 0, 1.0, 0)
    assert full.size(1) <= POSITIONS


def test_a_users_own(source, tmp_path, capsys):
    options = user_options(tmp_path, USERS_OWN)
    export(source, tmp_path / "model", *options, "--max-new-tokens", "9")
    manifest = check_rows(tmp_path / "model")
    assert [(fact["kind"], fact["dtype"]) for fact in manifest["inputs"]] == [
        ("ids", "int64"),
        ("new_tokens", "int"),
        ("temperature", "float"),
        ("min_p", "float"),
        ("repetition_penalty", "float"),
    ]
    assert manifest["output"] == {"index": 0, "shape": "new_ids"}
    assert manifest["max_new_tokens"] == 9
    rows = manifest["golden"]["rows"]
    assert any(row["min_p"] > 0 and row["repetition_penalty"] > 1 for row in rows)
    assert "new_ids" in capsys.readouterr().err


def test_a_finished_file_goes_in_as_it_is(source, exported, tmp_path, capsys, rows_in_this_process):
    finished = shutil.copy(exported / "model.pt", tmp_path / "music.pt")
    manifest = export(finished, tmp_path / "model", *TASK)
    assert (tmp_path / "model" / "model.pt").read_bytes() == (exported / "model.pt").read_bytes()
    assert "no tokenizer" in capsys.readouterr().err
    check_rows(tmp_path / "model")
    assert manifest["inputs"] == read_manifest(exported)["inputs"]
    assert (manifest["vocabulary_size"], manifest["max_length"]) == (TOKENS, POSITIONS)
    assert manifest["end_ids"] == [] and "begin_id" not in manifest
    manifest = export(finished, tmp_path / "b", *TASK, "--tokenizer", source, "--length", "30")
    assert manifest["max_length"] == 30 and manifest["end_ids"] == [0]
    assert "tokenizer.json" in manifest["files"]
    assert any("text" in row for row in manifest["golden"]["rows"])


class Nameless(torch.nn.Module):
    """No wte and no wpe, numbers as tensors, and a tuple: as somebody made it long ago."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(40, 40))

    def forward(self, ids: torch.Tensor, n: int, temperature: torch.Tensor):
        for _ in range(n):
            scores = self.table[ids[0, -1]] / torch.clamp(temperature, min=0.01)
            ids = torch.cat([ids, torch.multinomial(scores.softmax(0), 1).unsqueeze(0)], 1)
        return n, ids


def test_a_finished_file_without_gpt2s_names(tmp_path, capsys):
    torch.manual_seed(1)
    torch.jit.script(Nameless()).save(str(tmp_path / "old.pt"))
    assert run_exporter(tmp_path / "old.pt", "-o", tmp_path / "model", *TASK) == USAGE
    assert "--vocabulary-size" in capsys.readouterr().err
    sizes = ("--vocabulary-size", "40", "--length", "64")
    manifest = export(tmp_path / "old.pt", tmp_path / "model", *TASK, *sizes)
    assert manifest["inputs"][2] == {"kind": "temperature", "dtype": "float32"}
    assert manifest["output"] == {"index": 1, "shape": "ids_with_prompt"}


def refused(capsys, source, target, *options):
    exit_code = run_exporter(source, "-o", target, *options)
    assert not target.exists()
    reason = capsys.readouterr().err
    assert "Traceback (most recent call last)" not in reason
    return exit_code, reason


@pytest.mark.parametrize(
    "rest,words",
    [
        ("        return ids.float()\n", ("torch.float32", "torch.int64")),
        ("        return ids + 400\n", ("not below 300",)),
        ("        return ids[:, :0]\n", ("no new ids",)),
        ("        return torch.cat([ids, ids], 1)\n", ("neither at most n new ids",)),
        ("        return torch.cat([ids, ids], 0)\n", ("[2, ", "[1, ids]")),
        ("        return (ids + self.calls) % 300\n", ("gives other ids the second time",)),
        ("        return ids[:, 1000]\n", ("the model fails at a prompt of", "out of range")),
        ("        assert n < 0, 'never'\n        return ids\n", ("the model fails", "never")),
    ],
)
def test_what_a_sampler_answers_is_checked(
    source, tmp_path, capsys, rows_in_this_process, rest, words
):
    options = user_options(tmp_path, HEAD + rest)
    exit_code, reason = refused(capsys, source, tmp_path / "m", *options)
    assert exit_code == BAD_DATA, reason
    for word in words:
        assert word in reason


def test_a_sampler_that_does_not_end(source, tmp_path, capsys):
    """Compiled code hears no signal: it runs in a process that is ended from outside."""
    options = user_options(
        tmp_path, HEAD + "        while ids.size(1) > 0:\n            n += 1\n        return ids\n"
    )
    exit_code, reason = refused(capsys, source, tmp_path / "m", *options, "--time-limit", "1")
    assert exit_code == BAD_DATA, reason
    assert "does not end within 1 s (--time-limit) at a prompt of" in reason
    assert list(tmp_path.glob(".m.*")) == []


def test_top_k_of_0_means_off(source, tmp_path, capsys, rows_in_this_process):
    text = HEAD.replace("n: int)", "n: int, top_k: int)")
    text += "        assert torch.topk(ids, top_k)[0][0, 0] >= 0\n        return ids\n"
    exit_code, reason = refused(capsys, source, tmp_path / "m", *user_options(tmp_path, text))
    assert exit_code == BAD_DATA and "top_k 0" in reason and "mean off" in reason


def test_without_temperature_0(source, tmp_path, capsys, rows_in_this_process):
    """A division by zero: said, and the model is exported."""
    text = USERS_OWN.replace("temperature == 0.0", "temperature < 0.0")
    manifest = export(source, tmp_path / "model", *user_options(tmp_path, text))
    assert "note: the model fails at temperature 0" in capsys.readouterr().err
    assert all(row["temperature"] > 0 for row in manifest["golden"]["rows"])


def test_files_that_are_no_combined_model(source, exported, tmp_path, capsys):
    torch.save({"a": torch.zeros(2)}, tmp_path / "state.pt")
    exit_code, reason = refused(capsys, tmp_path / "state.pt", tmp_path / "m", *TASK)
    assert exit_code == BAD_DATA and "torch.jit.save" in reason
    export(source, tmp_path / "trace", "--task", "generate")
    exit_code, reason = refused(capsys, tmp_path / "trace" / "model.pt", tmp_path / "m", *TASK)
    assert exit_code == BAD_DATA and "takes no n" in reason
    options = (*TASK, "--module", f"{__file__}:Sampler")
    exit_code, reason = refused(capsys, exported / "model.pt", tmp_path / "m", *options)
    assert exit_code == USAGE and "finished already" in reason
    for module, expected in (("nowhere.py:A", NO_INPUT), ("nowhere.py", USAGE)):
        exit_code, reason = refused(capsys, source, tmp_path / "m", *TASK, "--module", module)
        assert exit_code == expected and "nowhere.py" in reason
