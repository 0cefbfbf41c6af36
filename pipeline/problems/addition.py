"""Addition: two numbers of many digits, column by column, the carry written down.

    add h4 g7 f5 to h4 g2 f8. find x     ->  f5 f8 1 3 | g7 g2 1 0 3 | h4 h4 0 9 0 3  ->  0 9 0 3

Each digit carries the label of its place ("index hints", Zhou et al. 2023, arXiv 2310.16028), and digits are words of
their own. The value of a step is the sum of the columns so far with one place more, whose digit is the carry.
"""

import re
from random import Random

from pipeline.problems.labels import draw_labels
from pipeline.problems.problem import Family, Language, Problem, Step

WORDING: dict[Language, str] = {"en": "add {first} to {second}. find x", "zh": "把 {first} 加到 {second}。求x"}
DIGITS = re.compile(r"\d(?: \d)*")


class Addition(Family):
    name = "addition"

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """``difficulty`` is the number of digits, 1 to 26. Leading zeros occur."""
        labels = draw_labels(rng, difficulty)
        first, second = ([rng.randrange(10) for _ in range(difficulty)] for _ in range(2))  # units first
        steps, total = [], 0
        for place, (label, one, other) in enumerate(zip(labels, first, second, strict=True)):
            total += (one + other) * 10**place
            steps.append(Step(f"{label}{one} {label}{other}", " ".join(f"{total:0{place + 2}d}")))

        def written(digits: list[int]) -> str:
            return " ".join(f"{label}{digit}" for label, digit in reversed(list(zip(labels, digits, strict=True))))

        return Problem(
            family=self.name,
            question=WORDING[language].format(first=written(first), second=written(second)),
            answer=steps[-1].value,
            language=language,
            difficulty=difficulty,
            canonical="+".join("".join(map(str, reversed(digits))) for digits in (first, second)),
            steps=tuple(steps),
        )

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        """Digits with one space between; leading zeros do not matter."""
        return DIGITS.fullmatch(answer) is not None and _number(answer) == _number(problem.answer)


def _number(digits: str) -> str:
    return digits.replace(" ", "").lstrip("0")
