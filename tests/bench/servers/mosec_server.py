"""sentence-transformers behind mosec, with dynamic batching: one of the Python servers ferry is
compared with. Text in, little-endian float32 out: no JSON, which would cost it time.

Environment: BENCH_MODEL (directory), BENCH_WORKERS, BENCH_THREADS (of one worker), BENCH_BATCH,
BENCH_WAIT_MS. mosec's own options (--port, --address) on the command line.
"""

import os

import torch
from mosec import Server, Worker
from sentence_transformers import SentenceTransformer


class Embedding(Worker):
    def __init__(self):
        torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
        self.model = SentenceTransformer(os.environ["BENCH_MODEL"], device="cpu")
        self.model.encode(["warm up"] * 4, show_progress_bar=False)

    def deserialize(self, data):
        return data.decode()

    def forward(self, data):
        return list(self.model.encode(data, batch_size=16, show_progress_bar=False))

    def serialize(self, data):
        return data.tobytes()


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Embedding,
        num=int(os.environ["BENCH_WORKERS"]),
        max_batch_size=int(os.environ["BENCH_BATCH"]),
        max_wait_time=int(os.environ["BENCH_WAIT_MS"]),
    )
    server.run()
