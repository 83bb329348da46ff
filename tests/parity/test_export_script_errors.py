"""The classic mistakes in a combined model: each is refused with the line and what to write instead."""

import pytest

from export_models import make_gpt2, one_thread, read_manifest, run_exporter

BAD_DATA, NO_INPUT, USAGE = 65, 66, 64
HEAD = """\
import math
import random
import torch
import numpy as np
from typing import Dict, List

LIMIT = 3


class Sampler(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
"""
FORWARD = "    def forward(self, ids: torch.Tensor, n: int, temperature: float) -> torch.Tensor:\n"
NEXT = "        return torch.cat([ids, self.model(ids)[:, -1:].argmax(-1)], 1)\n"
AT = HEAD.count("\n")  # the line above what a mistake adds


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_gpt2(
        tmp_path_factory.mktemp("source") / "gpt2", tokenizer=False, n_positions=32, n_layer=1
    )


def body(*lines):
    return FORWARD + "".join(f"        {line}\n" for line in lines) + NEXT


# What the class gets, the line of the mistake counted from there, and words of the advice.
MISTAKES = {
    "no hints": (
        "    def forward(self, ids, n, temperature):\n" + NEXT,
        1,
        ("no type hint", "ids: torch.Tensor, n: int, temperature: float"),
    ),
    "no hint for n alone": (
        "    def forward(self, ids: torch.Tensor, n, temperature: float):\n" + NEXT,
        1,
        ("no type hint for n", "write n: int"),
    ),
    "n is a tensor": (
        "    def forward(self, ids: torch.Tensor, n: torch.Tensor) -> torch.Tensor:\n" + NEXT,
        None,
        ("argument n", "is a Tensor", "write n: int"),
    ),
    "temperature is a tensor": (
        "    def forward(self, ids: torch.Tensor, n: int, temperature: torch.Tensor):\n" + NEXT,
        None,
        ("argument temperature", "write temperature: float"),
    ),
    "top_k is optional": (
        "    def forward(self, ids: torch.Tensor, n: int, top_k: float) -> torch.Tensor:\n" + NEXT,
        None,
        ("argument top_k", "is a float", "write top_k: int"),
    ),
    "helper without hints": (
        body("ids = self.pick(ids, temperature)")
        + "    def pick(self, ids, temperature):\n        return ids\n",
        2,
        ("argument temperature has no type hint", "write temperature: float"),
    ),
    "numpy": (
        body("noise = np.zeros(3)"),
        2,
        ("np is of the library numpy", "torch operations"),
    ),
    "random": (
        body("x = random.random()"),
        2,
        ("random is of the library random", "torch operations"),
    ),
    "import inside": (body("import numpy"), 2, ("import inside a method", "top of the file")),
    "nested function": (
        body("def scale(x):", "    return x", "ids = scale(ids)"),
        2,
        ("function inside a function", "method of the class"),
    ),
    "lambda": (body("scale = lambda x: x"), 2, ("lambda", "method of the class")),
    "formatted f-string": (body('print(f"{temperature:.2f}")'), 2, ("f-string", "'{}'.format")),
    "try": (
        body("try:", "    n = n + 1", "except ValueError:", "    n = 0"),
        2,
        ("try and except", "if"),
    ),
    "star arguments": (
        "    def forward(self, ids: torch.Tensor, n: int, *rest) -> torch.Tensor:\n" + NEXT,
        1,
        ("*args", "name each argument"),
    ),
    "keyword arguments": (
        "    def forward(self, ids: torch.Tensor, n: int, **rest) -> torch.Tensor:\n" + NEXT,
        1,
        ("**kwargs", "name each argument"),
    ),
    "untyped empty list": (
        "        self.seen = []\n" + body("self.seen.append(n)"),
        3,
        ("type of self.seen", "List[int]"),
    ),
    "mixed dictionary": (
        '        self.options = {"a": 1, "b": "c"}\n' + body('n = self.options["a"]'),
        3,
        ("type of self.options", "annotate it"),
    ),
    "attribute set in forward": (
        body("self.count = n"),
        2,
        ("self.count", "outside __init__"),
    ),
    "none becomes a number": (
        "        self.limit = None\n" + body("self.limit = n"),
        3,
        ("another type than in __init__", "Optional[int]"),
    ),
    "recursion": (
        FORWARD
        + "        return self.step(ids, n)\n\n"
        + "    def step(self, ids: torch.Tensor, n: int) -> torch.Tensor:\n"
        + "        if n == 0:\n            return ids\n        return self.step(ids, n - 1)\n",
        7,
        ("calls itself", "loop"),
    ),
    "global number": (body("n = min(n, LIMIT)"), 2, ("outside the class", "__init__")),
    "set on one way": (
        body("if n > 3:", "    token = ids[:, -1:]", "ids = torch.cat([ids, token], 1)"),
        None,
        ("token is set on one way only", "before the if"),
    ),
    "two types": (
        body("x = 1", "if n > 3:", "    x = 1.5", "ids = ids * x"),
        4,
        ("x is int first and float later",),
    ),
    "yield": (FORWARD + "        yield ids\n", 2, ("yield", "return them together")),
    "set comprehension": (body("s = {i for i in range(n)}"), 2, ("comprehension", "loop")),
    "generate of transformers": (
        FORWARD + "        return self.model.generate(ids, max_new_tokens=n)\n",
        2,
        ("is a trace", "forward alone"),
    ),
    "logits of transformers": (
        FORWARD + "        return self.model(ids).logits.argmax(-1)\n",
        2,
        ("logits themselves", "self.model(ids)"),
    ),
    "tolist": (body("rows = ids.tolist()"), 2, ("tolist()", "List[int]")),
    "returns a list": (
        "    def forward(self, ids: torch.Tensor, n: int) -> List[int]:\n        return [1]\n",
        None,
        ("returns List[int]", "-> torch.Tensor"),
    ),
    "returns nothing on one path": (
        "    def forward(self, ids: torch.Tensor, n: int):\n"
        "        if n > 2:\n            return ids\n        return None\n",
        None,
        ("returns Optional[Tensor]", "every path"),
    ),
    "unknown argument": (
        "    def forward(self, ids: torch.Tensor, n: int, mood: float) -> torch.Tensor:\n" + NEXT,
        None,
        ("argument mood", "ids or input_ids", "repetition_penalty"),
    ),
    "two names for n": (
        "    def forward(self, ids: torch.Tensor, n: int, length: int) -> torch.Tensor:\n" + NEXT,
        None,
        ("n and length mean the same",),
    ),
    "no n": (
        "    def forward(self, ids: torch.Tensor, temperature: float) -> torch.Tensor:\n" + NEXT,
        None,
        ("takes no n", "n: int"),
    ),
    "item": (
        body("for _ in range(ids[0, 0].item()):", "    n += 1"),
        2,
        ("item()", "int(...)"),
    ),
    "no such attribute": (body("n = min(n, self.limit)"), 2, ("no self.limit", "in __init__")),
    "stored lambda": (
        "        self.scale = lambda x: x\n" + body("ids = self.scale(ids)"),
        3,
        ("self.scale is a Python function", "method of the class"),
    ),
    "mask for the trace": (
        body("scores = self.model(ids, torch.ones_like(ids))"),
        2,
        ("takes ids alone", "self.model(ids)"),
    ),
    "cache for the trace": (
        body("scores = self.model(ids, use_cache=False)"),
        2,
        ("takes ids alone", "self.model(ids)"),
    ),
    "numbers in an empty list": (
        body("made = []", "made.append(n)"),
        3,
        ("made by []", "List[int]"),
    ),
    "layer made in forward": (
        body("scores = torch.nn.Softmax(-1)(ids.float())"),
        2,
        ("make it in __init__",),
    ),
    "numpy of a tensor": (body("x = ids.numpy()"), 2, ("no numpy in TorchScript",)),
    "no return": (FORWARD + "        ids = ids + 1\n", 1, ("every path returns a tensor",)),
    "float for top_k of torch": (
        body("best = torch.topk(self.model(ids), temperature)"),
        2,
        ("wants int and gets float",),
    ),
    "keyword that torch does not have": (
        body("x = torch.softmax(ids, dimension=1)"),
        2,
        ("no form of this function takes these arguments",),
    ),
    "syntax": (FORWARD + "        return (\n", None, ("was never closed",)),
}


def export_module(source, tmp_path, text, *options):
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    target = tmp_path / "out" / "model"
    name = options[0] if options else "Sampler"
    module = f"{tmp_path / 'mine.py'}:{name}"
    arguments = ("--task", "generate", "--combined", "--module", module, *options[1:])
    return run_exporter(source, "-o", target, *arguments), target


def refused(source, tmp_path, capsys, text, *options):
    exit_code, target = export_module(source, tmp_path, text, *options)
    reason = capsys.readouterr().err
    assert exit_code == BAD_DATA, reason
    assert "Traceback" not in reason
    assert not target.parent.exists() or list(target.parent.iterdir()) == []
    return reason


@pytest.mark.parametrize("name", MISTAKES)
def test_classic_mistakes(small, tmp_path, capsys, name):
    text, line, words = MISTAKES[name]
    reason = refused(small, tmp_path, capsys, HEAD + text)
    first = next(one for one in reason.splitlines() if "ferry-export: " in one)
    assert first.startswith("ferry-export: mine.py:"), reason
    if line is not None:
        assert f"mine.py:{AT + line}:" in first, reason
    for word in words:
        assert word in first, reason


def test_torchs_own_words_stay_below(small, tmp_path, capsys):
    reason = refused(small, tmp_path, capsys, HEAD + body("scale = lambda x: x"))
    assert "torch.jit.script says:\n    Lambda aren't supported" in reason
    assert "scale = lambda x: x" in reason and "<--- HERE" in reason


ADVICE_TAKEN = """\
import math
import torch
from typing import Dict, Final, List, Optional

LIMIT = 3


def scale(x: torch.Tensor, by: float) -> torch.Tensor:
    return x * math.sqrt(by)


class Best(torch.nn.Module):
    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.argmax(-1)


@torch.jit.script
class Counter:
    def __init__(self, start: int):
        self.value = start


class Sampler(torch.nn.Module):
    seen: List[int]
    options: Dict[str, int]
    last: Optional[int]
    most: Final[int]

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.best = Best()
        self.softmax = torch.nn.Softmax(-1)
        self.seen = []
        self.options = {}
        self.last = None
        self.most = LIMIT

    def forward(self, input_ids: torch.Tensor, max_new_tokens: int) -> torch.Tensor:
        counter, values = Counter(0), torch.jit.annotate(List[int], [])
        for _ in range(min(max_new_tokens, self.most)):
            input_ids = self.step(input_ids)
            counter.value += 1
            values.append(int(input_ids[0, -1].item()))
        print(f"{counter.value}")
        first: List[int] = input_ids[0].tolist()
        self.last = first[0]
        return input_ids

    def step(self, ids: torch.Tensor) -> torch.Tensor:
        scores = self.softmax(scale(self.model(ids)[:, -1:], 2.0))
        return torch.cat([ids, self.best(scores)], 1)
"""


def test_what_the_advice_says_works(small, tmp_path, capsys):
    exit_code, target = export_module(small, tmp_path, ADVICE_TAKEN)
    assert exit_code == 0, capsys.readouterr().err
    rows = read_manifest(target)["golden"]["rows"]
    assert {len(row["expected"]) for row in rows} <= {1, 2, 3}


@pytest.mark.parametrize(
    "text,name,words",
    [
        (HEAD, "Nobody", ("mine.py", "no class Nobody")),
        ("class Sampler:\n    pass\n", "Sampler", ("class Sampler(torch.nn.Module)",)),
        ("import torch\nimport no_such_package\n", "Sampler", ("mine.py:2", "no_such_package")),
        (
            HEAD.replace("(self, model)", "(self, model, size)") + body(),
            "Sampler",
            ("Sampler(model) fails", "size", "nothing else"),
        ),
        (
            HEAD + "        self.table = model.config\n" + body(),
            "Sampler",
            (f"mine.py:{AT + 1}", "config"),
        ),
    ],
)
def test_classes_that_cannot_be_used(small, tmp_path, capsys, text, name, words):
    reason = refused(small, tmp_path, capsys, text, name)
    for word in words:
        assert word in reason
