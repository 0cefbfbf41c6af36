"""From a problem to what a model is asked: mode, soft flag, instruction, earlier turns. One mix of settings for all.

A prompt knows what it asks for, and rewards and evaluation judge a completion by that alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from pipeline.chat.modes import MODES, Message, Mode, resolve_mode, with_flag
from pipeline.problems import Family, Language, Problem
from pipeline.problems.instructions import INSTRUCTIONS


@dataclass
class PromptMix:
    """Which prompts are made of problems. Shares are probabilities of each prompt."""

    no_think: float = 0.0
    """Share that asks not to think."""
    flagged: float = 0.0
    """Share of thinking prompts that say ``/think``; the rest carry no flag, and thinking is the default. A prompt
    that asks not to think always says so, here or in an earlier turn."""
    instructions: float = 0.0
    multi_turn: float = 0.0
    """Share with an earlier, easier turn whose flag is drawn anew: the last flag of a conversation wins."""
    history_difficulty: list[int] = field(default_factory=lambda: [1, 3])


@dataclass(frozen=True)
class Prompt:
    """``instruction`` names a kind in pipeline.problems.instructions, None when nothing is asked."""

    messages: list[Message]
    problem: Problem
    mode: Mode = "think"
    instruction: str | None = None

    @property
    def language(self) -> Language:
        return self.problem.language

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "problem": self.problem.as_row()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Prompt":
        return cls(row["messages"], Problem.from_row(row["problem"]), row["mode"], row["instruction"])


def plain_prompt(problem: Problem, flag: Mode | None = None, instruction: str | None = None) -> Prompt:
    """One user turn."""
    question = INSTRUCTIONS[instruction].ask(problem.question, problem.language) if instruction else problem.question
    messages: list[Message] = [{"role": "user", "content": with_flag(question, flag)}]
    return Prompt(messages, problem, resolve_mode(messages), instruction)


def mixed_prompt(problem: Problem, mix: PromptMix, family: Family, rng: Random) -> Prompt:
    """A prompt drawn from the mix. Earlier turns are from the training split, answered, without their thought."""
    mode: Mode = "no_think" if rng.random() < mix.no_think else "think"
    instruction = rng.choice(sorted(INSTRUCTIONS)) if rng.random() < mix.instructions else None
    history: list[Message] = []
    if rng.random() < mix.multi_turn:
        low, high = mix.history_difficulty
        earlier = family.draw(rng, "train", (low, high), problem.language)
        history = [
            {"role": "user", "content": with_flag(earlier.question, rng.choice((None, *MODES)))},
            {"role": "assistant", "content": f"\\boxed{{{earlier.answer}}}"},
        ]
    # An earlier flag still holds: a prompt may then leave it unsaid, and must say it to change it.
    implied = resolve_mode(history) == mode
    says = rng.random() < mix.flagged or not implied
    if mode == "no_think" and not history:
        says = True
    last = plain_prompt(problem, mode if says else None, instruction)
    return Prompt([*history, *last.messages], problem, mode, instruction)
