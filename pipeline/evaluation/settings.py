"""What an evaluation measures. Apart from the measuring, so that reading a recipe imports no engine."""

from dataclasses import dataclass, field

from pipeline.problems.settings import ProblemSettings


@dataclass
class EvaluationSettings(ProblemSettings):
    split: str = "test"
    """``validation`` while settings are being chosen: test problems are for the result alone. ``all``
    for a file that is an evaluation set as a whole."""
    problems: int = 504
    problems_seed: int = 20261121
    """The same problems for every model and every run seed, so that differences are paired."""
    difficulty: list[int] = field(default_factory=lambda: [1, 12])
    modes: list[str] = field(default_factory=lambda: ["think"])
    flags: bool = False
    """Whether thinking prompts say ``/think``: only models that were taught the flags are asked with them."""
    k: int = 4
    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 0
    max_new_tokens: int = 64
    budgets: list[int] = field(default_factory=list)
    instructions: int = 0
    """Problems that carry instructions: one or two, in each mode and language in turn."""
    multi_turn: int = 0
    """Problems at the end of a conversation whose flag changes."""
    stop_sentence: dict[str, str] = field(default_factory=lambda: {"en": "", "zh": ""})

    def __post_init__(self) -> None:
        if self.split not in ("train", "validation", "test", "all"):
            raise ValueError(f"split is {self.split!r}; it is one of train, validation, test, all")
        if not self.modes or not set(self.modes) <= {"think", "no_think"}:
            raise ValueError(f"modes are {self.modes}; they are think, no_think or both")
        if self.k < 1 or self.problems < 1:
            raise ValueError(f"k is {self.k} and problems {self.problems}; both are at least 1")
        if any(budget < 0 for budget in self.budgets):
            raise ValueError(f"budgets are {self.budgets}; a budget is a number of tokens, at least 0")
        if self.budgets and "think" not in self.modes:
            raise ValueError("budgets need the think mode")
