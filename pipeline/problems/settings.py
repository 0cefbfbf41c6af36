"""Which problems a stage is about. Said once, inherited by the settings of every mechanism that asks any."""

from dataclasses import dataclass, field
from typing import Any

PROBLEM_FILES = ("table.path",)
"""Settings that name a file of problems, for the fingerprint of a stage that reads it."""


@dataclass
class ProblemSettings:
    family: str = "walk"
    family_options: dict[str, Any] = field(default_factory=dict)
    """By family: ``{walk: {zero_share: 0.6}, table: {path: problems.jsonl}}``; those of other families are not used."""
    difficulty: list[int] = field(default_factory=lambda: [1, 8])
    """The easiest and the hardest, both included."""
