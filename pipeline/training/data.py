"""Prompts and rows that training stages are fed with."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from pipeline.problems import Family, Problem
from pipeline.problems.prompts import Prompt, PromptMix, mixed_prompt
from pipeline.seeds import derive_seed

if TYPE_CHECKING:
    from pipeline.generation.complete import Judged


def draw_prompts(family: Family, count: int, difficulty: Sequence[int], mix: PromptMix, seed: int) -> list[Prompt]:
    """``count`` prompts of training problems, with modes, instructions and earlier turns drawn from the mix."""
    rng = Random(derive_seed(seed, "mix"))
    problems = family.sample(count, "train", (difficulty[0], difficulty[1]), derive_seed(seed, "problems"))
    return [mixed_prompt(problem, mix, family, rng) for problem in problems]


def repeat_problems(family: Family, problems: Sequence[Problem], count: int, mix: PromptMix, seed: int) -> list[Prompt]:
    """``count`` prompts of these problems, which are gone through in a new shuffle each time round."""
    rng = Random(derive_seed(seed, "prompts"))
    chosen: list[Problem] = []
    while len(chosen) < count:
        chosen += rng.sample(list(problems), len(problems))
    return [mixed_prompt(problem, mix, family, rng) for problem in chosen[:count]]


def contamination(rows: Sequence[Mapping[str, Any]]) -> int:
    """Rows whose problem is not of the training split: 0, or the evaluation measures memory. For the ledger."""
    return sum(Problem.from_row(row["problem"]).split != "train" for row in rows)


def rejection(item: "Judged", min_language: float) -> str | None:
    """Why a completion is dropped, None when it is kept: well-formed, right, and all that its prompt asked for."""
    if not item.formatted:
        return "format"
    if not item.mode_followed:
        return "mode"
    if not item.correct:
        return "wrong"
    if not item.instruction_followed:
        return "instruction"
    if item.language is not None and item.language < min_language:
        return "language"
    return None
