"""Worked thoughts: the steps of a problem put into words, with the flaws that a cold start is given on purpose."""

from dataclasses import dataclass
from random import Random

from pipeline.problems.problem import Language, Problem

CONNECTIVES: dict[Language, tuple[str, ...]] = {"en": ("then", "so", "next"), "zh": ("然后", "所以", "接着")}


def other(language: Language) -> Language:
    return "zh" if language == "en" else "en"


@dataclass(frozen=True)
class Thought:
    """``value`` is what the thought arrives at: the problem's answer, unless the thought stopped early."""

    text: str
    value: str
    complete: bool


def write_thought(
    problem: Problem, rng: Random, mix: float = 0.0, stop: float = 0.0, language: Language | None = None
) -> Thought:
    """One line for each step: a connective, the step, the value reached.

    Args:
        problem: must have steps.
        rng: source of the connectives and flaws.
        mix: probability that a connective is in the other language (what the language reward repairs).
        stop: probability, after each step but the last, that the thought ends there and answers the value reached
            (what the accuracy reward repairs; the prototype's ``p``).
        language: of the connectives; the problem's by default.
    """
    if not problem.steps:
        raise ValueError(f"a {problem.family!r} problem has no steps to write a thought from")
    lines = []
    for index, step in enumerate(problem.steps, start=1):
        spoken = language or problem.language
        if rng.random() < mix:
            spoken = other(spoken)
        lines.append(f"{rng.choice(CONNECTIVES[spoken])} {step.text} {step.value}")
        if index < len(problem.steps) and rng.random() < stop:
            return Thought("\n".join(lines), step.value, complete=False)
    return Thought("\n".join(lines), problem.steps[-1].value, complete=True)
