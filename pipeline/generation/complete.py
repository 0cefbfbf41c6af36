"""From prompts to judged completions: render, generate, decode, parse, verify. Everything that samples goes through it.

RL alone has its own way in (``pipeline.training.grpo``), as TRL does the decoding there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.chat.encode import PREFILLED_THINK, encode_text, prefill_of, render_prompt
from pipeline.chat.parse import Completion, parse_completion
from pipeline.generation.budget import ThinkTokens, think_tokens, thought_span
from pipeline.generation.loop import Rollout, generate
from pipeline.generation.sampling import Sampling
from pipeline.problems.prompts import Prompt
from pipeline.rewards import functions as rewards
from pipeline.seeds import derive_seed

NO_SENTENCE: Mapping[str, str] = {"en": "", "zh": ""}


@dataclass(frozen=True)
class Judged:
    """A completion with its verdicts. ``correct`` holds only in the right format, as in every reward composition."""

    prompt: Prompt
    sample: int
    rollout: Rollout
    completion: Completion
    thinking_tokens: int
    prefix: list[int]
    """The prompt's ids."""
    prefill: str = ""
    """What the prompt's template already opened of the completion."""
    seed: int = 0
    """Of the row's random stream."""

    @property
    def opened(self) -> bool:
        """Whether the prompt ends inside a think block."""
        return self.prefill == PREFILLED_THINK

    @property
    def formatted(self) -> bool:
        return self.completion.fault is None

    @property
    def correct(self) -> bool:
        return self.formatted and rewards.accuracy(self.completion, self.prompt) == 1

    @property
    def language(self) -> float | None:
        return rewards.language(self.completion, self.prompt)

    @property
    def mode_followed(self) -> bool:
        return self.formatted and rewards.mode(self.completion, self.prompt) == 1

    @property
    def instruction_followed(self) -> bool:
        return self.formatted and rewards.instruction(self.completion, self.prompt) == 1

    def as_row(self) -> dict[str, Any]:
        """Everything that a figure can be recomputed from."""
        return {
            "prompt": self.prompt.messages,
            "mode": self.prompt.mode,
            "language": self.prompt.language,
            "difficulty": self.prompt.problem.difficulty,
            "instructions": self.prompt.instructions,
            "gold": self.prompt.problem.answer,
            "sample": self.sample,
            "completion": self.completion.text,
            "answer": self.completion.boxed,
            "fault": self.completion.fault,
            "formatted": self.formatted,
            "correct": self.correct,
            "language_share": self.language,
            "mode_followed": self.mode_followed,
            "instruction_followed": self.instruction_followed,
            "thinking_tokens": self.thinking_tokens,
            "tokens": len(self.rollout.ids),
            "cut": self.rollout.cut,
            "truncated": not self.rollout.ended,
        }


@dataclass(frozen=True)
class Completer:
    """A model ready to answer prompts."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int
    stop_sentence: Mapping[str, str] | None = None
    """By language; none by default."""

    @cached_property
    def think(self) -> ThinkTokens:
        return think_tokens(self.tokenizer, self.stop_sentence or NO_SENTENCE)

    def complete(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        seed: int,
        k: int = 1,
        thinking_budget: int | None = None,
        enable_thinking: bool = True,
    ) -> list[Judged]:
        """``k`` completions of each prompt, prompt by prompt.

        ``enable_thinking``: the template's hard switch; where it is off, the prompt holds the empty think block.
        """
        texts = [render_prompt(self.tokenizer, prompt.messages, enable_thinking) for prompt in prompts]
        encoded = encode_text(self.tokenizer, texts)
        rows = [(index, sample) for index in range(len(prompts)) for sample in range(k)]
        seeds = [derive_seed(seed, index, sample) for index, sample in rows]
        rollouts = generate(
            self.model,
            [encoded[index] for index, _ in rows],
            sampling,
            self.max_new_tokens,
            [self.tokenizer.eos_token_id],
            seeds=seeds,
            thinking_budget=thinking_budget,
            think=self.think,
            languages=[prompts[index].language for index, _ in rows],
        )
        return [
            self._judge(prompts[index], sample, rollout, encoded[index], prefill_of(texts[index]), seed)
            for (index, sample), rollout, seed in zip(rows, rollouts, seeds, strict=True)
        ]

    def judge_again(self, item: Judged, rollout: Rollout) -> Judged:
        """Another rollout of the same prompt and sample."""
        return self._judge(item.prompt, item.sample, rollout, item.prefix, item.prefill, item.seed)

    def _judge(
        self, prompt: Prompt, sample: int, rollout: Rollout, prefix: list[int], prefill: str, seed: int
    ) -> Judged:
        """Decode and parse one rollout. Forced tokens at the end of a thought are none of its tokens."""
        ids = rollout.ids[:-1] if rollout.ended else rollout.ids
        completion = parse_completion(self.tokenizer.decode(ids), rollout.ended, prefill)
        span = thought_span(ids, self.think, opened=prefill == PREFILLED_THINK)
        thought = [] if span is None or not completion.thought else rollout.forced[span[0] : span[1]]
        return Judged(prompt, sample, rollout, completion, thought.count(False), prefix, prefill, seed)
