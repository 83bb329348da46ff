"""Small traces of every kind the engine has to tell apart, and the original models' own answers."""

import warnings

import torch
import transformers

VOCABULARY, WIDTH, POSITIONS = 120, 32, 64
BATCH, LENGTH = 2, 24

transformers.logging.set_verbosity_error()
warnings.filterwarnings("ignore")


def tiny_bert():
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=POSITIONS, initializer_range=0.3,
    )  # fmt: skip
    return transformers.BertModel(config).eval()


def tiny_gpt2():
    torch.manual_seed(8)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=2, n_head=4, n_positions=POSITIONS,
        initializer_range=0.3,
    )  # fmt: skip
    return transformers.GPT2Model(config).eval()


class Bert(torch.nn.Module):
    """Inputs ids, mask, type_ids; one row a token."""

    def __init__(self):
        super().__init__()
        self.bert = tiny_bert()

    def hidden(self, ids, mask=None, types=None):
        return self.bert(
            input_ids=ids, attention_mask=mask, token_type_ids=types, return_dict=False
        )[0]

    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types)


class FixedLength(Bert):
    def __init__(self):
        super().__init__()
        self.constant = torch.zeros(1, LENGTH, WIDTH)

    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types) + self.constant


class FixedBatch(Bert):
    def __init__(self):
        super().__init__()
        self.constant = torch.zeros(3, 1, 1)

    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types) + self.constant


class FixedBoth(Bert):
    def __init__(self):
        super().__init__()
        self.constant = torch.zeros(3, LENGTH, 1)

    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types) + self.constant


class WithoutMask(Bert):
    def forward(self, ids):
        return self.hidden(ids)


class FixedLengthWithoutMask(Bert):
    def __init__(self):
        super().__init__()
        self.constant = torch.zeros(1, LENGTH, WIDTH)

    def forward(self, ids):
        return self.hidden(ids) + self.constant


class MaskIgnored(Bert):
    def forward(self, ids, mask):
        return self.hidden(ids) + 0 * mask.sum()


class WithPositions(Bert):
    def forward(self, positions, mask, ids):
        return self.bert(
            input_ids=ids, attention_mask=mask, position_ids=positions, return_dict=False
        )[0]


class Mask4D(Bert):
    def forward(self, ids, mask):
        assert mask.dim() == 4
        return self.hidden(ids, mask.expand(-1, 1, ids.shape[1], -1).bool())


class Pooled(Bert):
    """(token rows, one row a sequence)."""

    def forward(self, ids, mask, types):
        return self.bert(
            input_ids=ids, attention_mask=mask, token_type_ids=types, return_dict=False
        )


class AsDictionary(Pooled):
    def forward(self, ids, mask, types):
        tokens, sequences = super().forward(ids, mask, types)
        return {"last_hidden_state": tokens, "pooler_output": sequences}


class Half(Bert):
    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types).half()


class BFloat16(Bert):
    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types).bfloat16()


class NotANumberAtFour99(Bert):
    """No number in a sequence with four ids 99."""

    def forward(self, ids, mask, types):
        fine = ((ids == 99).sum(1) < 4).float()
        return self.hidden(ids, mask, types) / fine[:, None, None]


class NeverANumber(Bert):
    def forward(self, ids, mask, types):
        return self.hidden(ids, mask, types) * float("nan")


class RowsMix(FixedBatch):
    def forward(self, ids, mask, types):
        hidden = self.hidden(ids, mask, types)
        return hidden - hidden.mean(0, keepdim=True) + self.constant


class Gpt2(torch.nn.Module):
    """Ids only; bound to batch 1 by how the library builds its causal mask."""

    def __init__(self, constant_batch):
        super().__init__()
        self.gpt2 = tiny_gpt2()
        self.constant = torch.zeros(constant_batch, 1, 1)

    def forward(self, ids):
        hidden = self.gpt2(input_ids=ids, use_cache=False, return_dict=False)[0]
        return hidden + self.constant


def example_inputs(batch, length, count, dtype=torch.long):
    torch.manual_seed(3)
    ids = torch.randint(1, VOCABULARY, (batch, length)).to(dtype)
    return (ids, torch.ones_like(ids), torch.zeros_like(ids))[:count]


def save_trace(module, path, inputs):
    with torch.no_grad():
        torch.jit.trace(module, inputs, strict=False, check_trace=False).save(str(path))


def random_sequences(count, longest, seed=5, types=False):
    generator = torch.Generator().manual_seed(seed)
    sequences = []
    for _ in range(count):
        length = int(torch.randint(1, longest + 1, (1,), generator=generator))
        ids = torch.randint(1, VOCABULARY, (length,), generator=generator).tolist()
        kinds = [int(at >= length // 2) if types else 0 for at in range(length)]
        sequences.append((ids, kinds))
    return sequences


def pool(hidden, pooling):
    if pooling == "mean":
        return hidden.mean(0)
    if pooling == "max":
        return hidden.max(0).values
    if pooling == "none":
        return hidden.flatten()
    return hidden[0] if pooling == "cls" else hidden[-1]


def original_rows(sequences, pooling="mean", model=None):
    """The original model on each sequence alone, without padding."""
    bert = model or tiny_bert()
    rows = []
    with torch.no_grad():
        for ids, types in sequences:
            hidden = bert(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]),
                          return_dict=False)[0][0]  # fmt: skip
            rows.append(pool(hidden, pooling))
    return rows


def padded_rows(sequences, pooling="mean"):
    """The original model on each sequence padded to LENGTH, without a mask."""
    bert = tiny_bert()
    rows = []
    with torch.no_grad():
        for ids, _ in sequences:
            padded = torch.tensor([ids + [0] * (LENGTH - len(ids))])
            hidden = bert(input_ids=padded, return_dict=False)[0][0]
            rows.append(pool(hidden[: len(ids)], pooling))
    return rows
