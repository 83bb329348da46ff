"""Runs engine_session.py on a model: in a process of its own, so that two libtorch never meet."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("FERRY_BUILD_DIR", HERE.parents[2] / "build"))
LOGITS = {
    "inputs": [["ids", "int64"]], "output_shape": "logits", "traced_batch": 2, "traced_length": 64,
    "pad_id": 0,
}  # fmt: skip


def run_session(model, calls, spec, decoder=None):
    job = {"engine": str(BUILD / "libferry_torch.so"), "model": str(model), "spec": spec,
           "decoder": decoder or {}, "calls": calls}  # fmt: skip
    result = subprocess.run([sys.executable, HERE / "engine_session.py"], input=json.dumps(job),
                            capture_output=True, text=True, timeout=300)  # fmt: skip
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])
    return answer
