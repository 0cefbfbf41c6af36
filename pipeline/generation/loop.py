"""The generation loop: a Transformers model, a batch of prompts, one token for each row at a time.

Finished rows are dropped as they finish, each row draws from its own seed, and a thought can be given a budget. It
deals in token ids only: prompts come rendered, completions leave as ids (``pipeline.chat`` turns them into text).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from pipeline.generation.budget import ThinkTokens, block_state
from pipeline.generation.cache import RoomyCache
from pipeline.generation.characters import LONGEST_WAIT
from pipeline.generation.sampling import Sampling, pick_tokens, uniforms

MIN_ROWS = 8
"""On CPU, matrix products of fewer rows round differently; a floor keeps a row's tokens the same in any batch."""
DROP_SHARE = 0.75
"""Rows are dropped when at most this share of the batch is still alive: dropping copies the cache."""


@dataclass(frozen=True)
class Rollout:
    """A completion as ids, end token included when the model ended it.

    ``forced``: for each id, whether it was put there by the thinking budget rather than by the model.
    """

    ids: list[int]
    forced: list[bool]
    ended: bool

    @property
    def cut(self) -> bool:
        """Whether the thought was stopped by the budget."""
        return any(self.forced)


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    max_new_tokens: int,
    eos_token_ids: Sequence[int],
    seeds: Sequence[int] | None = None,
    thinking_budget: int | None = None,
    think: ThinkTokens | None = None,
    languages: Sequence[str] | None = None,
    offsets: Sequence[int] | None = None,
    max_rows: int = 512,
    on_token: Callable[[int], None] | None = None,
) -> list[Rollout]:
    """Continue each prompt.

    Args:
        model: a causal LM; put in eval mode for the call, and back.
        prompts: token ids, at least one each.
        sampling: how tokens are picked.
        max_new_tokens: longest completion, forced tokens included.
        eos_token_ids: ids that end a completion.
        seeds: one for each prompt; needed for sampling.
        thinking_budget: longest thought in tokens, tags excluded; None for no limit. Needs ``think``.
        think: ids of the think block.
        languages: of each prompt, which choose the stop sentence; the first of ``think.stop`` by default.
        offsets: tokens at the end of each prompt that count as generated: its random stream goes on behind them.
        max_rows: prompts that are decoded at a time.
        on_token: for one prompt alone: called with each of its tokens as it comes, the end token left out.

    Returns:
        One rollout for each prompt, in their order.
    """
    if sampling.do_sample and seeds is None:
        raise ValueError("sampling needs a seed for each prompt")
    if on_token is not None and len(prompts) != 1:
        raise ValueError("tokens are streamed for one prompt at a time")
    if thinking_budget is not None and (think is None or not think.stop):
        raise ValueError("a thinking budget needs the tokens of the think block and a stop sentence")
    seeds = seeds if seeds is not None else [0] * len(prompts)
    offsets = offsets if offsets is not None else [0] * len(prompts)
    # Prompts of like length decode together: less padding, and rows that finish at like times.
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    done: dict[int, Rollout] = {}
    training = model.training
    model.eval()
    try:
        for start in range(0, len(order), max_rows):
            rows = order[start : start + max_rows]
            fill = [rows[-1]] * max(0, MIN_ROWS - len(rows))
            batch = _Batch(
                model,
                [prompts[row] for row in rows + fill],
                [seeds[row] for row in rows + fill],
                [offsets[row] for row in rows + fill],
                sampling,
                max_new_tokens,
                eos_token_ids,
            )
            if thinking_budget is not None:
                assert think is not None
                default = next(iter(think.stop))
                batch.limit(thinking_budget, think, [languages[r] if languages else default for r in rows + fill])
            batch.on_token = on_token
            done |= dict(zip(rows, batch.run(), strict=False))
    finally:
        model.train(training)
    return [done[row] for row in range(len(prompts))]


class _Batch:
    """The state of one batch. R rows in all, N of them still in the batch; T is max_new_tokens."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        offsets: Sequence[int],
        sampling: Sampling,
        max_new_tokens: int,
        eos_token_ids: Sequence[int],
    ) -> None:
        self.model, self.sampling, self.max_new_tokens = model, sampling, max_new_tokens
        self.device, self.prompts = model.device, prompts
        rows, self.width = len(prompts), max(len(prompt) for prompt in prompts)
        self.capacity = self.width + max_new_tokens
        self.input_ids = torch.zeros(rows, self.width, dtype=torch.long)
        self.mask = torch.ones(rows, self.capacity, dtype=torch.bool)  # (N, capacity): False on left padding
        for row, prompt in enumerate(prompts):
            self.input_ids[row, self.width - len(prompt) :] = torch.tensor(prompt)
            self.mask[row, : self.width - len(prompt)] = False
        self.input_ids, self.mask = self.input_ids.to(self.device), self.mask.to(self.device)
        self.eos = torch.tensor(list(eos_token_ids), device=self.device)
        self.uniform: torch.Tensor | None = None
        if sampling.do_sample:  # (R, T), each row's from its offset on
            streams = uniforms(seeds, max_new_tokens + max(offsets))
            own = torch.arange(max_new_tokens) + torch.tensor(list(offsets))[:, None]
            self.uniform = streams.gather(1, own).to(self.device)
        self.tokens = torch.zeros(rows, max_new_tokens, dtype=torch.long, device=self.device)  # (R, T)
        self.forced = torch.zeros_like(self.tokens, dtype=torch.bool)
        self.length = torch.zeros(rows, dtype=torch.long, device=self.device)
        self.ended = torch.zeros(rows, dtype=torch.bool, device=self.device)
        self.budget: _BudgetState | None = None
        self.on_token: Callable[[int], None] | None = None

    def limit(self, budget: int, think: ThinkTokens, languages: Sequence[str]) -> None:
        self.budget = _BudgetState(budget, think, languages, self.prompts, self.device)

    def run(self) -> list[Rollout]:
        with torch.inference_mode():
            self._decode()
        tokens, forced = self.tokens.tolist(), self.forced.tolist()
        return [
            Rollout(tokens[row][:length], forced[row][:length], bool(self.ended[row]))
            for row, length in enumerate(self.length.tolist())
        ]

    def _decode(self) -> None:
        cache = RoomyCache(self.model.config, self.capacity)
        rows = torch.arange(len(self.tokens), device=self.device)  # (N,): where each row of the batch belongs
        alive = torch.ones_like(rows, dtype=torch.bool)
        mask = self.mask
        inputs, positions = self.input_ids, (mask[:, : self.width].cumsum(-1) - 1).clamp_min(0)
        for step in range(self.max_new_tokens):
            logits = self.model(
                input_ids=inputs,
                attention_mask=self._attention_mask(mask[:, : self.width + step], inputs.shape[1]),
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            uniform = self.uniform[rows, step] if self.uniform is not None else rows
            chosen = pick_tokens(logits, self.sampling, uniform)  # (N,)
            forced = torch.zeros_like(alive)
            if self.budget is not None:
                chosen, forced = self.budget.apply(chosen)
            self.tokens[rows, step] = torch.where(alive, chosen, 0)
            self.forced[rows, step] = forced & alive
            self.length[rows] += alive
            over = torch.isin(chosen, self.eos) & ~forced
            self.ended[rows] |= over & alive
            alive = alive & ~over
            if self.on_token is not None and bool(alive[0]):
                self.on_token(int(chosen[0]))
            count = int(alive.sum())
            if count == 0:
                return
            inputs, positions = chosen[:, None], positions[:, -1:] + 1
            if max(count, MIN_ROWS) <= DROP_SHARE * len(rows):
                # Living rows first, then as many finished ones as the floor needs, back in their order.
                keep = torch.argsort(~alive, stable=True)[: max(count, MIN_ROWS)].sort().values
                rows, alive, mask, inputs, positions = (x[keep] for x in (rows, alive, mask, inputs, positions))
                cache.keep_rows(keep)
                if self.budget is not None:
                    self.budget.keep_rows(keep)

    def _attention_mask(self, mask: torch.Tensor, queries: int) -> torch.Tensor:
        """For one query and SDPA, the mask it needs, ready-made; else the padding mask, which Transformers expands."""
        if queries == 1 and self.model.config._attn_implementation == "sdpa":
            return mask[:, None, None, :]
        return mask


class _BudgetState:
    """Where each row of a batch stands in its thought. All tensors are (N,) but ``stop`` (N, longest stop)."""

    def __init__(
        self,
        budget: int,
        think: ThinkTokens,
        languages: Sequence[str],
        prompts: Sequence[Sequence[int]],
        device: torch.device,
    ) -> None:
        self.budget, self.think = budget, think
        stops = [think.forced(language, budget) for language in languages]
        longest = max(len(stop) for stop in stops)
        self.stop = torch.tensor([stop + [0] * (longest - len(stop)) for stop in stops], device=device)
        self.stop_length = torch.tensor([len(stop) for stop in stops], device=device)
        states = [block_state(prompt, think) for prompt in prompts]
        self.inside = torch.tensor([state == "inside" for state in states], device=device)
        self.finished = torch.tensor([state == "after" for state in states], device=device)
        self.thought = torch.zeros(len(stops), dtype=torch.long, device=device)
        self.pending = torch.zeros_like(self.thought)  # bytes that the last character of the thought still misses
        self.position = torch.full((len(stops),), -1, device=device)

    def apply(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens that are really taken, and which of them are forced."""
        due = self.inside & (self.thought >= self.budget) & (chosen != self.think.close) & (self.position < 0)
        due &= (self.pending == 0) | (self.thought >= self.budget + LONGEST_WAIT)
        self.position = torch.where(due, 0, self.position)
        forced = self.position >= 0
        stop = self.stop.gather(1, self.position.clamp_min(0)[:, None]).squeeze(1)
        taken = torch.where(forced, stop, chosen)
        self.position = torch.where(forced, self.position + 1, self.position)
        closes = self.inside & ((taken == self.think.close) | (forced & (self.position >= self.stop_length)))
        self.position = torch.where(self.position >= self.stop_length, -1, self.position)
        opens = ~self.inside & ~self.finished & (taken == self.think.open) & ~forced
        self.thought = self.thought + (self.inside & ~closes & ~forced)
        if self.think.characters is not None:
            self.pending = torch.where(self.inside, self.think.characters.pending(self.pending, taken), 0)
        self.finished = self.finished | closes
        self.inside = (self.inside & ~closes) | opens
        return taken, forced

    def keep_rows(self, rows: torch.Tensor) -> None:
        for name in ("stop", "stop_length", "inside", "finished", "thought", "pending", "position"):
            setattr(self, name, getattr(self, name)[rows])
