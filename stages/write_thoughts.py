"""Write worked thoughts for a cold start, with deliberate flaws: mixed languages, early stops, short problems.

The flaws must be in the rows, not in what the base happens not to generalise to: then every seed starts from like
accuracy with a good format, and RL has the same thing to repair.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from pipeline.problems.settings import PROBLEM_FILES, ProblemSettings
from pipeline.runner.mechanism import Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Settings(ProblemSettings):
    rows: int = 240
    mix: float = 0.45
    """Probability that a connective is in the other language."""
    stop: float = 0.2
    """Probability, after each step but the last, that the thought ends there and answers the value reached."""


MECHANISM = Mechanism(settings=Settings, makes="data", reads=PROBLEM_FILES)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.artifacts.rows import write_artifact_rows
    from pipeline.chat.parse import render_completion
    from pipeline.problems import make_family
    from pipeline.problems.prompts import plain_prompt
    from pipeline.problems.thoughts import write_thought
    from pipeline.training.data import contamination

    family, rng = make_family(settings.family, settings.family_options), Random(request.seed)
    low, high = settings.difficulty
    rows, complete = [], 0
    for problem in family.sample(settings.rows, "train", (low, high), request.seed):
        thought = write_thought(problem, rng, mix=settings.mix, stop=settings.stop)
        complete += thought.complete
        completion = render_completion(thought.text, f"\\boxed{{{thought.value}}}")
        rows.append({**plain_prompt(problem).as_row(), "completion": completion, "untrained": ""})
    write_artifact_rows(request.folder, rows, request.stage, {})
    tracker.samples(rows[:24])
    return {
        "rows": len(rows),
        "contaminated_rows": contamination(rows),
        "complete_thoughts": complete / len(rows),
    }
