"""Model directories around traces that allow less than a stock BERT, made by the exporter."""

import subprocess
import sys

from daemon_process import SOURCE_DIR
from model_folders import bert_folder

EXPORTER = SOURCE_DIR / "tools" / "export" / "ferry-export"


def make_fixed(folder, what, batch, length):
    """Exports all-MiniLM-L6-v2 so that the trace works at its traced `what` only.

    what: "length", "batch" or "both". The exporter adds zeros of the traced shape to the output.
    """
    command = [sys.executable, EXPORTER, bert_folder(), "-o", folder, f"--fixed={what}"]
    command += ["--batch", str(batch), "--length", str(length)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder
