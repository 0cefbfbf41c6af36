"""From logits to tokens: Transformers' sampling settings under Transformers' names, with a random stream for each row.

A row's randomness is a list of uniforms made from its own seed; a token is where the cumulative distribution passes
the uniform. So a row's tokens do not depend on what else is in its batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Sampling:
    """Defaults are plain sampling from the model: what RL needs, as the policy gradient assumes it."""

    do_sample: bool = True
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if self.do_sample and not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0 (do_sample=False for greedy)")
        if not 0 < self.top_p <= 1 or not 0 <= self.min_p <= 1 or self.top_k < 0:
            raise ValueError(f"top_p must be in (0, 1], min_p in [0, 1], top_k at least 0; got {self}")


GREEDY = Sampling(do_sample=False)


def uniforms(seeds: Sequence[int], count: int) -> torch.Tensor:
    """(rows, count) of uniforms in [0, 1), each row from its own seed."""
    return torch.from_numpy(np.stack([np.random.Generator(np.random.Philox(seed)).random(count) for seed in seeds]))


def pick_tokens(logits_R_V: torch.Tensor, sampling: Sampling, uniform_R: torch.Tensor) -> torch.Tensor:
    """One token for each row, (R,). ``uniform_R`` decides where sampling lands; greedy ignores it."""
    if not sampling.do_sample:
        return logits_R_V.argmax(-1)
    probs = torch.softmax(logits_R_V.float() / sampling.temperature, dim=-1)
    if sampling.top_k and sampling.top_k < probs.shape[-1]:
        floor = probs.topk(sampling.top_k, dim=-1).values[:, -1:]
        probs = probs.masked_fill(probs < floor, 0)
    if sampling.min_p:
        probs = probs.masked_fill(probs < sampling.min_p * probs.amax(-1, keepdim=True), 0)
    if sampling.top_p < 1:
        probs = _nucleus(probs, sampling.top_p)
    cumulative = probs.double().cumsum(-1)
    target = uniform_R.to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1).clamp_max(probs.shape[-1] - 1)


def _nucleus(probs: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the fewest most likely tokens whose mass reaches ``top_p``. Rows that one token fills need no sort."""
    mass = probs.sum(-1)
    best = probs.max(-1)
    single = best.values >= top_p * mass
    if single.any():
        rows = single.nonzero().squeeze(-1)
        alone = torch.zeros_like(probs[rows])
        alone.scatter_(1, best.indices[rows, None], 1.0)
        probs = probs.index_copy(0, rows, alone)
    rest = (~single).nonzero().squeeze(-1)
    if len(rest):
        ordered, where = probs[rest].sort(-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        ordered = ordered.masked_fill(before >= top_p * mass[rest, None], 0)
        probs = probs.index_copy(0, rest, torch.zeros_like(ordered).scatter_(1, where, ordered))
    return probs
