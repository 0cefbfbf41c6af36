"""Prompts and rows that training stages are fed with."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from pipeline.chat.modes import Mode
from pipeline.problems import Family, Problem, Split, make_family
from pipeline.problems.prompts import Prompt, PromptMix, mixed_prompt
from pipeline.problems.settings import ProblemSettings
from pipeline.seeds import derive_seed

if TYPE_CHECKING:
    from pipeline.generation.complete import Judged


def draw_prompts(
    settings: ProblemSettings, mix: PromptMix, count: int, seed: int, split: Split = "train"
) -> list[Prompt]:
    """``count`` prompts of new problems, with modes, instructions and earlier turns drawn from the mix."""
    family, rng = make_family(settings.family, settings.family_options), Random(derive_seed(seed, "mix"))
    modes = [_draw_mode(mix, rng) for _ in range(count)]
    low, high = settings.difficulty
    problems = family.sample(count, split, (low, high), derive_seed(seed, "problems"))
    if mix.no_think_options is not None:
        easier = make_family(settings.family, mix.no_think_options)
        others = easier.sample(count, split, (low, high), derive_seed(seed, "no_think"))
        problems = [o if mode == "no_think" else p for p, o, mode in zip(problems, others, modes, strict=True)]
    return [mixed_prompt(problem, mode, mix, family, rng) for problem, mode in zip(problems, modes, strict=True)]


def repeat_problems(family: Family, problems: Sequence[Problem], count: int, mix: PromptMix, seed: int) -> list[Prompt]:
    """``count`` prompts of these problems, which are gone through in a new shuffle each time round."""
    rng = Random(derive_seed(seed, "prompts"))
    chosen: list[Problem] = []
    while len(chosen) < count:
        chosen += rng.sample(list(problems), len(problems))
    return [mixed_prompt(problem, _draw_mode(mix, rng), mix, family, rng) for problem in chosen[:count]]


def _draw_mode(mix: PromptMix, rng: Random) -> Mode:
    return "no_think" if rng.random() < mix.no_think else "think"


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
