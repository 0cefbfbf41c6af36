"""Walk: follow labelled steps on a ring of ten positions. The embedded scale's problem.

    start 3 f+1 g+0 h-2. find x        ->  f+1 4 | g+0 4 | h-2 2  ->  2

Small enough to be learned from nothing on two cores, and shaped so that thinking pays: a model with one forward pass
for each token cannot add up twelve steps, a model that writes them down can, and a thought that is cut has already
ruled out most positions.
"""

from random import Random

from pipeline.problems.labels import LABELS, draw_labels
from pipeline.problems.problem import Family, Language, Problem, Step

RING = 10
MOVES = (-2, -1, 1, 2)
WORDING: dict[Language, str] = {"en": "start {start} {steps}. find x", "zh": "开始 {start} {steps}。求x"}
FACT_WORDS = ("fact", "已知")


class Walk(Family):
    name = "walk"
    chance = 1 / RING

    def __init__(self, zero_share: float = 0.2) -> None:
        """``zero_share``: the share of steps that move nowhere. Many zeros make cut thoughts worth more, and teach RL
        to guess, so RL trains on fewer of them than the evaluation asks for."""
        self.zero_share = zero_share

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """``difficulty`` is the number of steps, 1 to 26."""
        start, labels = rng.randrange(RING), draw_labels(rng, difficulty)
        moves = [0 if rng.random() < self.zero_share else rng.choice(MOVES) for _ in range(difficulty)]
        position, steps = start, []
        for label, move in zip(labels, moves, strict=True):
            position = (position + move) % RING
            steps.append(Step(f"{label}{move:+d}", str(position)))
        return Problem(
            family=self.name,
            question=WORDING[language].format(start=start, steps=" ".join(step.text for step in steps)),
            answer=str(position),
            language=language,
            difficulty=difficulty,
            canonical=" ".join([str(start), *(f"{move:+d}" for move in moves)]),
            steps=tuple(steps),
        )

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        return answer == problem.answer

    def fact(self, rng: Random) -> str:
        start, move = rng.randrange(RING), rng.choice((0, *MOVES))
        return f"{rng.choice(FACT_WORDS)} {start} {rng.choice(LABELS)}{move:+d} {(start + move) % RING}"
