"""Sorting: a list of digits, by insertion. The toy problem of the CS336 lectures on RL, in words.

    sort f3 g1 h4 i1. find x     ->  f3 3 | g1 1 3 | h4 1 3 4 | i1 1 1 3 4  ->  1 1 3 4

Its answers can be partly right, which is what the lectures' two rewards are about (pipeline.rewards.sorting).
"""

import re
from random import Random

from pipeline.problems.labels import draw_labels
from pipeline.problems.problem import Family, Language, Problem, Step

WORDING: dict[Language, str] = {"en": "sort {items}. find x", "zh": "排序 {items}。求x"}
VALUES = 10
DIGITS = re.compile(r"\d(?: \d)*")


class Sorting(Family):
    name = "sorting"

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """``difficulty`` is the number of digits, 1 to 26."""
        labels = draw_labels(rng, difficulty)
        digits = [rng.randrange(VALUES) for _ in range(difficulty)]
        items = [f"{label}{digit}" for label, digit in zip(labels, digits, strict=True)]
        steps = [Step(item, " ".join(map(str, sorted(digits[: index + 1])))) for index, item in enumerate(items)]
        return Problem(
            family=self.name,
            question=WORDING[language].format(items=" ".join(items)),
            answer=steps[-1].value,
            language=language,
            difficulty=difficulty,
            canonical=" ".join(map(str, digits)),
            steps=tuple(steps),
        )

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        return answer == problem.answer


def read_digits(answer: str) -> list[int] | None:
    """The digits of an answer; None for anything but digits with one space between."""
    return [int(digit) for digit in answer.split(" ")] if DIGITS.fullmatch(answer) else None
