"""What is asked and how it is verified: problem families, their splits, worked thoughts and checkable instructions."""

import inspect
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.problems.addition import Addition
from pipeline.problems.counting import Counting
from pipeline.problems.gym import ReasoningGym
from pipeline.problems.mixture import Member, Mixture
from pipeline.problems.problem import LANGUAGES, Family, Language, Problem, Split, Step, split_of
from pipeline.problems.sorting import Sorting
from pipeline.problems.table import Table
from pipeline.problems.walk import Walk

FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Walk, Addition, Counting, Sorting, Table, ReasoningGym, Mixture)
}

__all__ = [
    "FAMILIES",
    "LANGUAGES",
    "Family",
    "Language",
    "Problem",
    "Split",
    "Step",
    "make_family",
    "split_of",
    "verify",
]


def make_family(name: str, family_options: Mapping[str, Any] | None = None) -> Family:
    """The family called ``name``.

    Args:
        family_options: options by family (``{walk: {zero_share: 0.6}}``), so that another family can be chosen without
            taking the first one's options away.

    Raises:
        ColdstartError: an unknown family or option, with the nearest valid one.
    """
    for key in (name, *(family_options or {})):
        if key not in FAMILIES:
            raise ColdstartError(f"unknown problem family {key!r}; {nearest(key, FAMILIES)}")
    options = dict((family_options or {}).get(name) or {})
    if name == Mixture.name:
        return _make_mixture(options, family_options or {})
    parameters = inspect.signature(FAMILIES[name]).parameters
    known = list(parameters)
    for key in options:
        if key not in known:
            raise ColdstartError(f"problem family {name!r} has no option {key!r}; {nearest(key, known)}")
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in options:
            raise ColdstartError(f"problem family {name!r} needs family_options.{name}.{key}")
    return FAMILIES[name](**options)


def _make_mixture(members: Mapping[str, Any], family_options: Mapping[str, Any]) -> Mixture:
    made = {}
    for name, entry in members.items():
        for key in entry or {}:
            if key not in ("share", "hardest"):
                raise ColdstartError(
                    f"family_options.mixture.{name}: no option {key!r}; {nearest(key, ('share', 'hardest'))}"
                )
        if name == Mixture.name:
            raise ColdstartError("family_options.mixture: a mixture is no member of itself")
        made[name] = Member(make_family(name, family_options), **(entry or {}))
    return Mixture(made)


def verify(answer: str, problem: Problem) -> bool:
    """Whether a boxed answer is right, by the rule of the problem's own family."""
    return FAMILIES[problem.family].verify(answer, problem)
