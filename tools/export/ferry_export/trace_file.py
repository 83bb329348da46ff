"""Writes model.pt and reads it back.

TorchScript keeps, beside the code, a table of the source lines that each operation came from: paths
of the machine that made the trace. ferry's copy goes without it, so that the same model, traced with
the same versions, has the same digest everywhere.
"""

import io
import pathlib
import warnings

import torch

SOURCE_LINES_SUFFIX = ".debug_pkl"
# The number of the operators' version: a newer libtorch decides by it how to read an older trace.
VERSION_RECORDS = (".data/version", "version")
# The writer makes these itself.
WRITTEN_BY_TORCH = (
    *VERSION_RECORDS,
    ".data/serialization_id",
    ".format_version",
    ".storage_alignment",
)


def save_trace(trace, path: pathlib.Path) -> None:
    """Made in memory: on a full disk torch's own file writer ends the process."""
    whole, copy = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated, and works
        torch.jit.save(trace, whole)
    whole.seek(0)
    copy_without_source_lines(whole, copy)
    whole.close()
    path.write_bytes(copy.getbuffer())


def copy_without_source_lines(source: io.BytesIO, target: io.BytesIO) -> None:
    reader = torch._C.PyTorchFileReader(source)
    writer = torch._C.PyTorchFileWriter(target)
    writer.set_min_version(operator_version(reader))
    for name in reader.get_all_records():
        if name.endswith(SOURCE_LINES_SUFFIX) or name in WRITTEN_BY_TORCH:
            continue
        content = reader.get_record(name)
        writer.write_record(name, content, len(content))
    writer.write_end_of_file()


def operator_version(reader) -> int:
    present = next(name for name in VERSION_RECORDS if reader.has_record(name))
    return int(reader.get_record(present))


def load_trace(path: pathlib.Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.load(str(path), map_location="cpu").eval()
