"""What a problem is, and the three questions that a problem family answers: make one, verify an answer, what is chance.

A family is one small file beside this one. It knows nothing of models, tokens or chat: it deals in text.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, ClassVar, Literal

from pipeline.errors import ColdstartError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Split = Literal["train", "validation", "test", "all"]
MAX_TRIES = 10_000


@dataclass(frozen=True)
class Step:
    """One step of a worked thought: what is done, and the value that it reaches."""

    text: str
    value: str


@dataclass(frozen=True)
class Problem:
    """A question with its verified answer.

    ``canonical`` is the problem without its wording, names and language: two problems with one canonical text are the
    same problem, and always fall in the same split.
    """

    family: str
    question: str
    answer: str
    language: Language
    difficulty: int
    canonical: str
    steps: tuple[Step, ...] = ()

    @property
    def split(self) -> Split:
        return split_of(self.family, self.canonical)

    def as_row(self) -> dict[str, Any]:
        """The problem as a JSON object; the inverse of :meth:`from_row`."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Problem":
        return cls(**{**row, "steps": tuple(Step(**step) for step in row.get("steps", ()))})


def split_of(family: str, canonical: str) -> Split:
    """80% train, 10% validation (gates, choices of settings), 10% test (the evaluation), by a hash of the problem."""
    bucket = int.from_bytes(hashlib.sha256(f"{family}\n{canonical}".encode()).digest()[:4], "big") % 10
    return "train" if bucket < 8 else "validation" if bucket == 8 else "test"


class Family(ABC):
    """A kind of problem. Subclass it in one file and register it in :mod:`pipeline.problems`."""

    name: ClassVar[str]
    chance: ClassVar[float | None] = None
    """The accuracy of a blind guess, where it is known."""

    @abstractmethod
    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """One problem of this difficulty, all randomness from ``rng``; of any split."""

    @classmethod
    @abstractmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        """Whether the text of a boxed answer is right. Strict; never evaluates the text."""

    def draw(self, rng: Random, split: Split, difficulty: tuple[int, int], language: Language | None = None) -> Problem:
        """One problem of ``split``, its difficulty uniform in the closed range; any language unless one is given."""
        level = rng.randint(*difficulty)
        chosen: Language = rng.choice(LANGUAGES) if language is None else language
        for _ in range(MAX_TRIES):
            problem = self.make(rng, level, chosen)
            if split in ("all", problem.split):
                return problem
        raise ColdstartError(f"family {self.name!r} makes no {split} problem of difficulty {level}; ask for another")

    def sample(self, count: int, split: Split, difficulty: tuple[int, int], seed: int) -> list[Problem]:
        """``count`` problems with different questions: difficulties in equal shares, languages in turn, shuffled.

        Raises ColdstartError when there are not that many.
        """
        rng, (low, high) = Random(seed), difficulty
        problems: list[Problem] = []
        seen: set[str] = set()
        repeats = 0
        while len(problems) < count:
            level = low + len(problems) % (high - low + 1)
            language: Language = "zh" if len(problems) // (high - low + 1) % 2 else "en"
            problem = self.draw(rng, split, (level, level), language)
            if problem.question in seen:
                repeats += 1
                if repeats > MAX_TRIES:
                    raise ColdstartError(
                        f"family {self.name!r} has fewer than {count} different {split} problems of difficulty {low} "
                        f"to {high}; ask for fewer, or for a wider range"
                    )
                continue
            seen.add(problem.question)
            problems.append(problem)
        rng.shuffle(problems)
        return problems

    def fact(self, rng: Random) -> str | None:
        """One atomic fact that problems build on, as text for the base corpus; None when the family has none."""
        return None
