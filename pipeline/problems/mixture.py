"""A mixture of families: each problem is of one of them, and is verified by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from pipeline.errors import ColdstartError
from pipeline.problems.problem import Family, Language, Problem, Split
from pipeline.seeds import derive_seed


@dataclass(frozen=True)
class Member:
    """``share`` is relative to the other members'. Ranges of difficulty stop at ``hardest``, as families differ."""

    family: Family
    share: float = 1.0
    hardest: int | None = None

    def within(self, difficulty: tuple[int, int]) -> tuple[int, int]:
        low, high = difficulty
        return (low, high) if self.hardest is None else (min(low, self.hardest), min(high, self.hardest))


class Mixture(Family):
    """Written in a recipe as the options of family ``mixture``, the members' own options beside it::

    family: mixture
    family_options:
      mixture: {walk: {share: 1}, addition: {share: 1, hardest: 5}}
      walk: {zero_share: 0.25}
    """

    name = "mixture"

    def __init__(self, members: Mapping[str, Member]) -> None:
        if not members or any(member.share <= 0 for member in members.values()):
            raise ColdstartError("family 'mixture' needs members, each with a share above 0")
        self.members = list(members.values())
        chances = [member.family.chance for member in self.members]
        if all(chance is not None for chance in chances):
            total = sum(member.share for member in self.members)
            self.chance = sum(m.share * (m.family.chance or 0) for m in self.members) / total  # type: ignore[misc]

    def _pick(self, rng: Random) -> Member:
        return rng.choices(self.members, [member.share for member in self.members])[0]

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        member = self._pick(rng)
        return member.family.make(rng, member.within((difficulty, difficulty))[0], language)

    def draw(self, rng: Random, split: Split, difficulty: tuple[int, int], language: Language | None = None) -> Problem:
        member = self._pick(rng)
        return member.family.draw(rng, split, member.within(difficulty), language)

    def sample(self, count: int, split: Split, difficulty: tuple[int, int], seed: int) -> list[Problem]:
        """Each member's part by its share, shuffled together."""
        total, taken, shares = sum(member.share for member in self.members), 0, 0.0
        problems: list[Problem] = []
        for index, member in enumerate(self.members):
            shares += member.share
            part = round(count * shares / total) - taken
            taken += part
            if part:
                mine = derive_seed(seed, "member", index)
                problems += member.family.sample(part, split, member.within(difficulty), mine)
        Random(seed).shuffle(problems)
        return problems

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        raise TypeError("a problem of a mixture carries its own family's name, which verifies it")

    def fact(self, rng: Random) -> str | None:
        return self._pick(rng).family.fact(rng)
