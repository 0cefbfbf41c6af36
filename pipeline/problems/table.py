"""Problems from a table of question and answer columns (GSM8K, CMATH and their like), as they are.

Every gold answer is parsed when the table is read: one that does not parse is an error with its row, never a reward.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from random import Random

from pipeline.errors import ColdstartError, nearest
from pipeline.problems.files import read_rows
from pipeline.problems.problem import Family, Language, Problem, Split

NUMBER = re.compile(r"[-+]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:/\d+)?%?")
MAX_NUMBER_LENGTH = 64
"""A longer "number" is refused, never converted: turning a million digits into an int is a way to hang a trainer."""


def parse_number(text: str) -> Fraction | None:
    """The exact value of ``1,234``, ``-3.5``, ``1/2`` or ``12%``; None for anything else. Units are not numbers."""
    text = text.strip().strip("$￥¥").strip().removesuffix(".")
    if len(text) > MAX_NUMBER_LENGTH or not NUMBER.fullmatch(text):
        return None
    percent = text.endswith("%")
    head, _, below = text.rstrip("%").replace(",", "").partition("/")
    try:
        value = Fraction(Decimal(head)) / (int(below) if below else 1)
    except (InvalidOperation, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def detect_language(text: str) -> Language:
    return "zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"


class Table(Family):
    """A family over a file. Its problems are the file's rows; ``difficulty`` counts as 1 unless a column gives it."""

    name = "table"

    def __init__(
        self,
        path: str,
        question: str = "question",
        answer: str = "answer",
        answer_after: str | None = "####",
        difficulty: str | None = None,
        subset: str | None = None,
        part: str | None = None,
        revision: str | None = None,
    ) -> None:
        """
        Args:
            path: JSONL or Parquet file, folder of a saved Hugging Face data set, or a hub id.
            question, answer: column names.
            answer_after: the gold answer is what follows the last such mark (GSM8K's ``#### N``); the whole text where
                the mark does not occur.
            difficulty: column with a whole number.
            subset, part, revision: of a Hugging Face data set: configuration, split (``train``) and commit. What of it
                is trained on and what is held out is said by a stage's ``split``.

        Raises:
            ColdstartError: no such file, a row without a column, a gold answer that is not a number (with its row).
        """
        self.path = path
        self.problems: list[Problem] = []
        for number, row in read_rows(path, subset, part, revision):
            for column in filter(None, (question, answer, difficulty)):
                if column not in row:
                    raise ColdstartError(
                        f"{path}, row {number}: no column {column!r} ({nearest(column, row)}); "
                        "set the column names beside the path"
                    )
            gold = str(row[answer])
            if answer_after and answer_after in gold:
                gold = gold.rsplit(answer_after, 1)[1]
            gold = gold.strip()
            if parse_number(gold) is None:
                raise ColdstartError(
                    f"{path}, row {number}: the gold answer {gold!r} is not a number; mend the row or drop it"
                )
            text = str(row[question]).strip()
            self.problems.append(
                Problem(
                    family=self.name,
                    question=text,
                    answer=gold,
                    language=detect_language(text),
                    difficulty=int(row[difficulty]) if difficulty else 1,
                    canonical=" ".join(text.lower().split()),
                )
            )
        if not self.problems:
            raise ColdstartError(f"problem file {path} has no rows")

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        return self.draw(rng, "all", (difficulty, difficulty), language)

    def rows(self, split: Split, difficulty: tuple[int, int]) -> list[Problem]:
        """The file's problems of one split and range; ``all`` for a file that is an evaluation set as a whole."""
        low, high = difficulty
        return [row for row in self.problems if split in ("all", row.split) and low <= row.difficulty <= high]

    def draw(self, rng: Random, split: Split, difficulty: tuple[int, int], language: Language | None = None) -> Problem:
        rows = [row for row in self.rows(split, difficulty) if language in (None, row.language)]
        if not rows:
            raise ColdstartError(
                f"{self.path} has no {split} problem of difficulty {difficulty} in {language or 'any'}"
            )
        return rng.choice(rows)

    def sample(self, count: int, split: Split, difficulty: tuple[int, int], seed: int) -> list[Problem]:
        """Rows of the split in a fixed shuffle; all of them when there are fewer than ``count``."""
        rows = self.rows(split, difficulty)
        if not rows:
            raise ColdstartError(
                f"{self.path} has no {split} problem of difficulty {difficulty[0]} to {difficulty[1]}; "
                "widen the range, or use split=all for a file that is an evaluation set as a whole"
            )
        return Random(seed).sample(rows, min(count, len(rows)))

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        value = parse_number(answer)
        return value is not None and value == parse_number(problem.answer)
