"""Choose the problems that RL learns from: those that the model solves sometimes.

A problem that is always or never solved gives a group without variance, hence no gradient (Qwen3 report, section 4.2:
"learnable by the cold-start model"; DAPO's dynamic sampling, done before the training instead of inside it).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.settings import PROBLEM_FILES, ProblemSettings
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Settings(ProblemSettings):
    candidates: int = 800
    difficulty: list[int] = field(default_factory=lambda: [1, 9])
    k: int = 4
    """Completions of each candidate."""
    min_pass_rate: float = 0.01
    max_pass_rate: float = 0.99
    temperature: float = 1.0
    max_new_tokens: int = 64


MECHANISM = Mechanism(settings=Settings, makes="data", inputs={"model": Input("model")}, reads=PROBLEM_FILES)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.artifacts.rows import ROWS, write_rows
    from pipeline.errors import ColdstartError
    from pipeline.evaluation.figures import by_problem, mean
    from pipeline.generation.complete import Completer
    from pipeline.generation.sampling import Sampling
    from pipeline.models import load_model
    from pipeline.problems import make_family
    from pipeline.problems.prompts import plain_prompt
    from pipeline.training.data import contamination

    family = make_family(settings.family, settings.family_options)
    low, high = settings.difficulty
    problems = family.sample(settings.candidates, "train", (low, high), request.seed)
    completer = Completer(*load_model(request.input("model")), settings.max_new_tokens)
    judged = completer.complete(
        [plain_prompt(problem) for problem in problems],
        Sampling(temperature=settings.temperature),
        request.seed,
        settings.k,
    )
    rates = [mean([item.correct for item in group]) for group in by_problem(judged)]
    rows = [
        {"problem": problem.as_row(), "pass_rate": rate}
        for problem, rate in zip(problems, rates, strict=True)
        if settings.min_pass_rate <= rate <= settings.max_pass_rate
    ]
    histogram = {f"{rate:.2f}": count / len(rates) for rate, count in sorted(Counter(rates).items())}
    if not rows:
        raise ColdstartError(
            f"stage {request.stage}: the model solves none of {len(problems)} problems sometimes "
            f"(share by pass rate: {histogram}); change the difficulty, or give it more or fewer cold-start epochs"
        )
    write_rows(request.folder / "data" / ROWS, rows)
    tracker.samples([item.as_row() for item in judged[:24]])
    return {
        "candidates": len(problems),
        "selected": len(rows),
        "contaminated_rows": contamination(rows),
        "mean_pass_rate": mean(rates),
        "share_by_pass_rate": histogram,
        "tokens_generated": sum(len(item.rollout.ids) for item in judged),
    }
