"""The exporter's own sampler: TorchScript around a trace, so that one file generates by itself.

A full forward a token: the trace has no cache. Definitions are those of transformers' logits
processors, in their order: temperature, top-k, top-p.
"""

from typing import List

import torch


class Sampler(torch.nn.Module):
    """Returns the prompt with at most n ids behind it; an end id is the last one."""

    end_ids: List[int]

    def __init__(self, model: torch.nn.Module, end_ids: List[int], max_length: int):
        super().__init__()
        self.model = model
        self.end_ids = end_ids
        self.max_length = max_length

    def forward(
        self,
        ids: torch.Tensor,
        n: int,
        temperature: float,
        top_k: int,
        top_p: float,
        seed: int,
    ) -> torch.Tensor:
        # Its own generator: what other threads draw changes nothing.
        generator = torch.Generator()
        generator.manual_seed(seed)
        for _ in range(min(n, self.max_length - ids.size(1))):
            logits = self.model(ids)[0, -1]
            if temperature == 0.0:
                token = logits.argmax()
            else:
                scores = self.keep_top_p(self.keep_top_k(logits / temperature, top_k), top_p)
                chances = scores.softmax(dim=-1).cpu()
                token = torch.multinomial(chances, 1, generator=generator).to(ids.device)
            ids = torch.cat([ids, token.view(1, 1)], dim=1)
            if int(token) in self.end_ids:
                break
        return ids

    def keep_top_k(self, scores: torch.Tensor, top_k: int) -> torch.Tensor:
        if top_k <= 0 or top_k >= scores.size(0):
            return scores
        least = torch.topk(scores, top_k)[0][-1]
        return scores.masked_fill(scores < least, float("-inf"))

    def keep_top_p(self, scores: torch.Tensor, top_p: float) -> torch.Tensor:
        if top_p >= 1.0:
            return scores
        ascending, places = torch.sort(scores)
        unlikely = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1.0 - top_p
        unlikely[-1] = False
        dropped = torch.zeros_like(unlikely).scatter(0, places, unlikely)
        return scores.masked_fill(dropped, float("-inf"))
