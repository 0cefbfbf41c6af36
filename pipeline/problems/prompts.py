"""From a problem to what a model is asked: mode, soft flag, instruction, earlier turns. One mix of settings for all.

A prompt knows what it asks for, and rewards and evaluation judge a completion by that alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from pipeline.chat.modes import MODES, Message, Mode, resolve_mode, with_flag
from pipeline.problems import Family, Language, Problem
from pipeline.problems.instructions import ask, draw_instructions


@dataclass
class PromptMix:
    """Which prompts are made of problems. Shares are probabilities of each prompt."""

    no_think: float = 0.0
    """Share that asks not to think."""
    no_think_options: dict[str, Any] | None = None
    """Family options of the problems that are not to be thought about; those of the others when null."""
    flagged: float = 0.0
    """Share of thinking prompts that say ``/think``; the rest carry no flag, and thinking is the default. A prompt
    that asks not to think always says so, here or in an earlier turn."""
    instructions: float = 0.0
    """Share that carries an instruction."""
    pairs: float = 0.3
    """Share of those that carry two."""
    multi_turn: float = 0.0
    """Share with earlier, easier turns whose flags are drawn anew: the last flag of a conversation wins."""
    history_turns: list[int] = field(default_factory=lambda: [1, 2])
    """Fewest and most earlier turns."""
    history_difficulty: list[int] = field(default_factory=lambda: [1, 3])


@dataclass(frozen=True)
class Prompt:
    """``instructions`` names kinds in pipeline.problems.instructions."""

    messages: list[Message]
    problem: Problem
    mode: Mode = "think"
    instructions: tuple[str, ...] = ()

    @property
    def language(self) -> Language:
        return self.problem.language

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "problem": self.problem.as_row()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Prompt":
        return cls(row["messages"], Problem.from_row(row["problem"]), row["mode"], tuple(row["instructions"]))


def plain_prompt(problem: Problem, flag: Mode | None = None, instructions: Sequence[str] = ()) -> Prompt:
    """One user turn."""
    question = ask(problem.question, instructions, problem.language)
    messages: list[Message] = [{"role": "user", "content": with_flag(question, flag)}]
    return Prompt(messages, problem, resolve_mode(messages), tuple(instructions))


def earlier_turns(
    family: Family, language: Language, difficulty: Sequence[int], flags: Sequence[Mode | None], rng: Random
) -> list[Message]:
    """A turn for each of ``flags``: training problems, answered, without their thought (as the template drops it)."""
    history: list[Message] = []
    for flag in flags:
        problem = family.draw(rng, "train", (difficulty[0], difficulty[1]), language)
        history += [
            {"role": "user", "content": with_flag(problem.question, flag)},
            {"role": "assistant", "content": f"\\boxed{{{problem.answer}}}"},
        ]
    return history


def changing_prompt(problem: Problem, family: Family, rng: Random, mix: PromptMix) -> Prompt:
    """A conversation whose flag changes at least once; the last turn may leave it unsaid (Qwen3's ThinkFollow)."""
    while True:
        turns = max(2, rng.randint(*mix.history_turns))
        flags: list[Mode | None] = [rng.choice((None, *MODES)) for _ in range(turns + 1)]
        if len({flag for flag in flags if flag}) > 1:
            break
    history = earlier_turns(family, problem.language, mix.history_difficulty, flags[:-1], rng)
    messages = [*history, *plain_prompt(problem, flags[-1]).messages]
    return Prompt(messages, problem, resolve_mode(messages))


def mixed_prompt(problem: Problem, mode: Mode, mix: PromptMix, family: Family, rng: Random) -> Prompt:
    """A prompt in this mode, the rest drawn from the mix."""
    instructions = draw_instructions(rng, mix.pairs) if rng.random() < mix.instructions else ()
    history: list[Message] = []
    if rng.random() < mix.multi_turn:
        flags = [rng.choice((None, *MODES)) for _ in range(rng.randint(*mix.history_turns))]
        history = earlier_turns(family, problem.language, mix.history_difficulty, flags, rng)
    # An earlier flag still holds: a prompt may then leave it unsaid, and must say it to change it.
    implied = resolve_mode(history) == mode
    says = rng.random() < mix.flagged or not implied
    if mode == "no_think" and not history:
        says = True
    last = plain_prompt(problem, mode if says else None, instructions)
    return Prompt([*history, *last.messages], problem, mode, instructions)
