"""What is asked and how it is verified: problem families, their splits, worked thoughts and checkable instructions."""

import inspect
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.problems.problem import Family, Language, Problem, Split, Step, split_of
from pipeline.problems.table import Table
from pipeline.problems.walk import Walk

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Walk, Table)}

__all__ = [
    "FAMILIES",
    "Family",
    "Language",
    "Problem",
    "Split",
    "Step",
    "make_family",
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
