"""What is asked and how it is verified: problem families, their splits, worked thoughts and checkable instructions."""

import inspect
from collections.abc import Mapping
from random import Random
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.problems.problem import Family, Language, Problem, Split, Step, draw, split_of
from pipeline.problems.table import Table
from pipeline.problems.walk import Walk

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Walk, Table)}

MAX_REPEATS = 1000

__all__ = [
    "FAMILIES",
    "Family",
    "Language",
    "Problem",
    "Split",
    "Step",
    "draw",
    "make_family",
    "sample_problems",
    "split_of",
    "verify",
]


def make_family(name: str, options: Mapping[str, Any] | None = None) -> Family:
    """The family called ``name`` with its options. Raises ColdstartError that names the nearest valid one."""
    if name not in FAMILIES:
        raise ColdstartError(f"unknown problem family {name!r}; {nearest(name, FAMILIES)}")
    family, options = FAMILIES[name], dict(options or {})
    known = [key for key in inspect.signature(family.__init__).parameters if key != "self"]
    for key in options:
        if key not in known:
            raise ColdstartError(f"problem family {name!r} has no option {key!r}; {nearest(key, known)}")
    return family(**options)


def verify(answer: str, problem: Problem) -> bool:
    """Whether a boxed answer is right, by the rule of the problem's own family."""
    return FAMILIES[problem.family].verify(answer, problem)


def sample_problems(family: Family, count: int, split: Split, difficulty: tuple[int, int], seed: int) -> list[Problem]:
    """``count`` problems with different questions: difficulties in equal shares, languages in turn, in a fixed shuffle.

    From a table: its rows of that split in a fixed shuffle, at most ``count`` of them.
    """
    rng = Random(seed)
    if isinstance(family, Table):
        rows = [row for row in family.rows(split) if difficulty[0] <= row.difficulty <= difficulty[1]]
        return rng.sample(rows, min(count, len(rows)))
    low, high = difficulty
    problems: list[Problem] = []
    seen: set[str] = set()
    repeats = 0
    while len(problems) < count:
        if repeats > MAX_REPEATS:
            raise ColdstartError(
                f"family {family.name!r} has fewer than {count} different {split} problems of difficulty {low} to "
                f"{high}; ask for fewer, or for a wider range"
            )
        level = low + len(problems) % (high - low + 1)
        language: Language = ("en", "zh")[len(problems) // (high - low + 1) % 2]
        problem = draw(family, rng, split, (level, level), language)
        if problem.question in seen:
            repeats += 1
            continue
        repeats = 0
        seen.add(problem.question)
        problems.append(problem)
    rng.shuffle(problems)
    return problems
