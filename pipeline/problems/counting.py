"""Counting: how often a letter occurs in a word, letter by letter.

    count b in 7a 8b 9d 10b. find x     ->  7a 0 | 8b 1 | 9d 1 | 10b 2  ->  2

Each letter carries the number of its place; the first number is drawn, so that every number is met at every length.
"""

from random import Random

from pipeline.problems.problem import Family, Language, Problem, Step

WORDING: dict[Language, str] = {"en": "count {letter} in {word}. find x", "zh": "数 {letter} 在 {word}。求x"}
ALPHABET = "abcd"
PLACES = 30
TARGET_SHARE = 0.4
"""Of the letters of a word: with an even share nearly all answers would be small."""


class Counting(Family):
    name = "counting"

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """``difficulty`` is the number of letters, 1 to 30."""
        letter, first = rng.choice(ALPHABET), rng.randrange(PLACES)
        others = [other for other in ALPHABET if other != letter]
        word = [letter if rng.random() < TARGET_SHARE else rng.choice(others) for _ in range(difficulty)]
        count, steps = 0, []
        for index, item in enumerate(word):
            count += item == letter
            steps.append(Step(f"{1 + (first + index) % PLACES}{item}", str(count)))
        return Problem(
            family=self.name,
            question=WORDING[language].format(letter=letter, word=" ".join(step.text for step in steps)),
            answer=str(count),
            language=language,
            difficulty=difficulty,
            canonical=f"{letter} {''.join(word)}",
            steps=tuple(steps),
        )

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        return answer == problem.answer
