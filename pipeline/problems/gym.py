"""Problems drawn from reasoning-gym's generators (Apache-2.0; ``pip install 'coldstart[gym]'``).

Generation only. Its ``score_answer`` evaluates the text it scores for many tasks, so a model's completion would be run
as code in the trainer's process; nothing of it is called here. Answers are verified by our own strict rule instead,
and so only tasks are offered whose right answer is one text or one number.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.problems.problem import Family, Language, Problem
from pipeline.problems.table import parse_number

# Read through: one right answer each. Left out are tasks with many (countdown, n_queens, graph_color, ...), tasks whose
# answer is a drawing, and tasks whose answer has several spellings (lists with quotes, polynomials).
TASKS = (
    "base_conversion", "basic_arithmetic", "binary_alternation", "caesar_cipher", "chain_sum", "coin_flip",
    "count_bits", "count_primes", "decimal_chain_sum", "gcd", "isomorphic_strings", "lcm", "leg_counting",
    "letter_counting", "number_sequence", "prime_factorization", "products", "ransom_note", "simple_equations",
    "spell_backward", "string_manipulation", "time_intervals",
)  # fmt: skip


class ReasoningGym(Family):
    name = "reasoning_gym"

    def __init__(
        self, task: str, config: Mapping[str, Any] | None = None, levels: tuple[str, ...] | list[str] = ()
    ) -> None:
        """
        Args:
            task: one of :data:`TASKS`.
            config: settings of the task by their reasoning-gym names.
            levels: settings that are set to the difficulty (``[min_terms, max_terms]``); none means one difficulty.

        Raises:
            ColdstartError: the package is not installed, an unknown task, or settings that the task refuses.
        """
        if task not in TASKS:
            raise ColdstartError(f"family_options.reasoning_gym.task: no task {task!r} here; {nearest(task, TASKS)}")
        try:
            from reasoning_gym.factory import DATASETS
        except ImportError:
            raise ColdstartError(
                "family 'reasoning_gym' needs the package of that name: pip install -c constraints-cpu.txt '.[gym]'"
            ) from None
        self.dataset, self.settings = DATASETS[task]
        self.task, self.config, self.levels = task, dict(config or {}), tuple(levels)
        known = list(self.settings.__dataclass_fields__)
        for key in (*self.config, *self.levels):
            if key not in known:
                raise ColdstartError(f"reasoning_gym task {task!r} has no setting {key!r}; {nearest(key, known)}")

    def make(self, rng: Random, difficulty: int, language: Language) -> Problem:
        """One English problem; ``language`` does not apply."""
        settings = self.settings(
            **{**self.config, **dict.fromkeys(self.levels, difficulty)}, seed=rng.randrange(2**31), size=1
        )
        try:
            entry = self.dataset(settings)[0]
        except AssertionError as error:  # its way of refusing settings
            raise ColdstartError(
                f"reasoning_gym task {self.task!r} refuses its settings at difficulty {difficulty}: {error}"
            ) from None
        question = entry["question"].strip()
        return Problem(
            family=self.name,
            question=question,
            answer=str(entry["answer"]).strip(),
            language="en",
            difficulty=difficulty,
            canonical=f"{self.task} {' '.join(question.lower().split())}",
        )

    @classmethod
    def verify(cls, answer: str, problem: Problem) -> bool:
        """The same number, or the same text up to spaces."""
        gold = parse_number(problem.answer)
        if gold is not None:
            return parse_number(answer) == gold
        return answer.split() == problem.answer.split()
