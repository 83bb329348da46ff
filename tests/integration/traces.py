"""Model directories around traces that allow less than a stock BERT: fixed length, fixed batch.

The wrapper adds a zero of the traced shape to the output, so that other shapes fail, or (where the
constant's size is broadcast) come back with a shape nobody asked for.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from model_folders import bert_folder, digest, read_manifest, write_manifest


def make_fixed(source, folder, batch, length, fix_batch, fix_length):
    """Copies the model directory `source`, with another trace of the same weights. Returns folder."""
    folder = Path(folder)
    shutil.copytree(source, folder)
    request = {
        "model": str(bert_folder()), "out": str(folder / "model.pt"), "batch": batch,
        "length": length, "constant": [batch if fix_batch else 1, length if fix_length else 1, 1],
    }  # fmt: skip
    # In a process of its own: tracing holds memory that the daemons of the tests want.
    subprocess.run([sys.executable, __file__, json.dumps(request)], check=True, timeout=300)
    manifest = read_manifest(folder)
    manifest["traced"] = {"batch": batch, "length": length}
    manifest["max_length"] = length
    manifest["files"]["model.pt"] = digest(folder / "model.pt")
    golden = manifest["golden"]["rows"]
    manifest["golden"]["rows"] = [row for row in golden if len(row["ids"]) <= length]
    assert manifest["golden"]["rows"], "no golden row is short enough"
    write_manifest(folder, manifest)
    return folder


def trace(request):
    import torch
    from transformers import AutoModel

    class WithConstant(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model
            self.register_buffer("constant", torch.zeros(*request["constant"]))

        def forward(self, ids, mask, type_ids):
            output = self.model(
                input_ids=ids, attention_mask=mask, token_type_ids=type_ids, return_dict=False
            )[0]
            return output + self.constant

    model = AutoModel.from_pretrained(request["model"], dtype=torch.float32).eval()
    shape = (request["batch"], request["length"])
    ids = torch.randint(1000, 20000, shape)
    mask = torch.ones(shape, dtype=torch.int64)
    mask[-1, shape[1] // 2 :] = 0
    inputs = (ids, mask, torch.zeros(shape, dtype=torch.int64))
    with torch.inference_mode():
        traced = torch.jit.trace(WithConstant(model), inputs, check_trace=False)
    traced.save(request["out"])


if __name__ == "__main__":
    trace(json.loads(sys.argv[1]))
