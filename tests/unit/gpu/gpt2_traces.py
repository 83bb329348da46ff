"""GPT-2 in every disguise a trace can have, small, and transformers' own answers."""

import math
import warnings

import torch
import transformers

VOCABULARY, WIDTH, POSITIONS, HEADS, LAYERS = 211, 48, 96, 3, 3

transformers.logging.set_verbosity_error()
warnings.filterwarnings("ignore")


def make_gpt2(seed=8, **changes):
    """Weights spread widely, so that two tokens are hardly ever as good as each other."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS,
        "n_positions": POSITIONS, "initializer_range": 0.35, "bos_token_id": 0, "eos_token_id": 0,
        "attn_implementation": "eager",
    } | changes  # fmt: skip
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
            elif ".ln_" in name:
                parameter.normal_(1, 0.2)
    return model


class Plain(torch.nn.Module):
    """ids to logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids, use_cache=False, return_dict=False)[0]


class Wrapped(Plain):
    """Deeper, and with weights of its own that change nothing."""

    def __init__(self, model):
        super().__init__(torch.nn.ModuleDict({"inner": model}))
        self.unused = torch.nn.Parameter(torch.zeros(7))

    def forward(self, ids):
        logits = self.model["inner"](input_ids=ids, use_cache=False, return_dict=False)[0]
        return logits + self.unused.sum()


class Scaled(Plain):
    """Logits of another model than its weights say."""

    def forward(self, ids):
        return super().forward(ids) * 1.25


class Normalised(Plain):
    """Log-probabilities: a repetition penalty does something else to them than to logits."""

    def forward(self, ids):
        return super().forward(ids).log_softmax(-1)


class Suppressing(Plain):
    """The id of the padding, which is improbable everywhere, can't come at all."""

    def __init__(self):
        model = make_gpt2(tie_word_embeddings=False)
        with torch.no_grad():
            model.transformer.ln_f.bias.fill_(1)
            model.lm_head.weight[0] = -0.5
        super().__init__(model)

    def forward(self, ids):
        never = torch.zeros(VOCABULARY)
        never[0] = float("-inf")
        return super().forward(ids) + never


class MaskingById(Plain):
    """Makes its mask from the ids, as it was told for padding."""

    def forward(self, ids):
        mask = (ids != 0).long()
        return self.model(input_ids=ids, attention_mask=mask, use_cache=False, return_dict=False)[0]


class Bigram(torch.nn.Module):
    """Logits without any GPT-2."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.table = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.out = torch.nn.Linear(WIDTH, VOCABULARY)

    def forward(self, ids):
        return self.out(torch.tanh(self.table(ids)))


class OwnLayer(torch.nn.Module):
    """The same arithmetic with nn.Linear, other names and other order of code."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads
        self.a = torch.nn.LayerNorm(WIDTH)
        self.b = torch.nn.Linear(WIDTH, 3 * WIDTH)
        self.c = torch.nn.Linear(WIDTH, WIDTH)
        self.d = torch.nn.LayerNorm(WIDTH)
        self.e = torch.nn.Linear(WIDTH, 4 * WIDTH)
        self.f = torch.nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, rows):
        batch, length, width = rows.shape
        q, k, v = self.b(self.a(rows)).split(WIDTH, dim=2)
        q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH // self.heads)
        hidden = torch.ones_like(scores).triu(1).bool()
        mixed = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        rows = rows + self.c(mixed.transpose(1, 2).reshape(batch, length, WIDTH))
        return rows + self.f(torch.nn.functional.gelu(self.e(self.d(rows))))


class Own(torch.nn.Module):
    def __init__(self, heads=HEADS):
        super().__init__()
        torch.manual_seed(5)
        self.t = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.p = torch.nn.Embedding(POSITIONS, WIDTH)
        self.l = torch.nn.ModuleList(OwnLayer(heads) for _ in range(2))
        self.n = torch.nn.LayerNorm(WIDTH)
        self.o = torch.nn.Linear(WIDTH, VOCABULARY, bias=False)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)

    def forward(self, ids):
        rows = self.t(ids) + self.p(torch.ones_like(ids).cumsum(1) - 1)
        for layer in self.l:
            rows = layer(rows)
        return self.o(self.n(rows))


def save(module, path, batch=2, length=64):
    torch.manual_seed(4)
    ids = torch.randint(1, VOCABULARY, (batch, length))
    with torch.no_grad():
        torch.jit.trace(module.eval(), (ids,), strict=False, check_trace=False).save(str(path))


def random_ids(count, longest, seed=5, shortest=1):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()
    return [
        torch.randint(0, VOCABULARY, (length,), generator=generator).tolist() for length in lengths
    ]


def logprobs(module, ids):
    """[length, vocabulary], of the token after each token."""
    with torch.no_grad():
        return module(torch.tensor([ids]))[0].double().log_softmax(-1)
