"""Files and arguments that engine_probe and engine_bench take, made from Python."""

import json
import pathlib
import struct


def write_sequences(path, sequences):
    """sequences: lists of ids, or pairs (ids, type_ids)."""
    with open(path, "wb") as file:
        for sequence in sequences:
            ids, types = (
                sequence if isinstance(sequence, tuple) else (sequence, [0] * len(sequence))
            )
            file.write(struct.pack(f"<I{len(ids)}i", len(ids), *ids) + bytes(types))


def write_golden(path, rows):
    """rows: (ids, type_ids, flat expected numbers)."""
    with open(path, "wb") as file:
        for ids, types, expected in rows:
            file.write(struct.pack(f"<I{len(ids)}i", len(ids), *ids) + bytes(types))
            file.write(struct.pack(f"<I{len(expected)}f", len(expected), *expected))


def arguments_from_manifest(folder, golden_path):
    """The arguments that load the model of a model directory; writes its golden rows."""
    folder = pathlib.Path(folder)
    manifest = json.loads((folder / "ferry.json").read_text())
    write_golden(
        golden_path,
        [
            (row["ids"], row.get("type_ids") or [0] * len(row["ids"]), row["expected"])
            for row in manifest["golden"]["rows"]
        ],
    )
    inputs = ",".join(f"{entry['kind']}:{entry['dtype']}" for entry in manifest["inputs"])
    return [
        "--model",
        str(folder / "model.pt"),
        "--inputs",
        inputs,
        "--output-index",
        str(manifest["output"]["index"]),
        "--output-shape",
        manifest["output"]["shape"],
        "--pooling",
        manifest["pooling"],
        "--traced-batch",
        str(manifest["traced"]["batch"]),
        "--traced-length",
        str(manifest["traced"]["length"]),
        "--max-length",
        str(manifest["max_length"]),
        "--width",
        str(manifest["width"]),
        "--vocabulary-size",
        str(manifest["vocabulary_size"]),
        "--pad-id",
        str(manifest["pad_id"]),
        "--golden",
        str(golden_path),
        "--tolerance",
        str(manifest["golden"]["tolerance"]),
    ]
