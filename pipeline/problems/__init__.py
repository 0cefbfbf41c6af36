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
    parameters = inspect.signature(FAMILIES[name].__init__).parameters
    known = [key for key in parameters if key != "self"]
    for key in options:
        if key not in known:
            raise ColdstartError(f"problem family {name!r} has no option {key!r}; {nearest(key, known)}")
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in options:
            raise ColdstartError(f"problem family {name!r} needs family_options.{name}.{key}")
    return FAMILIES[name](**options)


def verify(answer: str, problem: Problem) -> bool:
    """Whether a boxed answer is right, by the rule of the problem's own family."""
    return FAMILIES[problem.family].verify(answer, problem)
