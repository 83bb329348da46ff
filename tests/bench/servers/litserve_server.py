"""sentence-transformers behind LitServe, with batching: one of the Python servers ferry is compared
with. Text in, little-endian float32 out.

Environment as for mosec_server.py, and BENCH_PORT.
"""

import os

import litserve
import torch
from fastapi import Response
from sentence_transformers import SentenceTransformer


class Embedding(litserve.LitAPI):
    def setup(self, device):
        torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
        self.model = SentenceTransformer(os.environ["BENCH_MODEL"], device="cpu")
        self.model.encode(["warm up"] * 4, show_progress_bar=False)

    def decode_request(self, request: dict):
        return request["text"]

    def batch(self, inputs):
        return inputs

    def predict(self, inputs):
        return self.model.encode(inputs, batch_size=16, show_progress_bar=False)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return Response(content=output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    api = Embedding(
        max_batch_size=int(os.environ["BENCH_BATCH"]),
        batch_timeout=int(os.environ["BENCH_WAIT_MS"]) / 1000,
    )
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["BENCH_WORKERS"])
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        generate_client_file=False,
        log_level="warning",
    )
