"""Data for thinking-mode fusion (Qwen3 report, section 4.3), built from the run's own reasoning model.

- thinking rows: rejection-sampled from the model, with ``/think`` or no flag (thinking is the default);
- non-thinking rows: the empty think block and the answer, asked for with ``/no_think``;
- multi-turn rows, whose flag changes: the last one wins;
- cut thoughts: a prefix of a real thought, the stop sentence, and the answer that the model can still give from there;
  only the answer is trained on.

A share of rows carries an instruction, which the row obeys only sometimes: what to do about one is general RL's to
teach.
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
    samples: int = 500
    """Completions sampled from the model, before rejection."""
    difficulty: list[int] = field(default_factory=lambda: [1, 10])
    temperature: float = 1.0
    max_new_tokens: int = 64
    min_language: float = 1.0
    flagged: float = 0.67
    """Share of thinking rows that say ``/think``."""
    no_think_ratio: float = 1.2
    """Non-thinking rows for each thinking one."""
    no_think_options: dict[str, Any] | None = None
    """Family options of the non-thinking rows' problems; the thinking rows' when null."""
    cut_ratio: float = 0.1
    """Cut thoughts for each thinking row. Many of them make a model hedge after complete thoughts too."""
    instructions: float = 0.5
    followed: float = 0.5
    """Share of instructions that the rows obey."""
    multi_turn: float = 0.25
    history_turns: list[int] = field(default_factory=lambda: [1, 2])
    history_difficulty: list[int] = field(default_factory=lambda: [1, 3])
    stop_sentence: dict[str, str] = field(default_factory=lambda: {"en": "", "zh": ""})


MECHANISM = Mechanism(settings=Settings, makes="data", inputs={"model": Input("model")}, reads=PROBLEM_FILES)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from random import Random

    from pipeline.artifacts.rows import write_artifact_rows
    from pipeline.generation.complete import Completer
    from pipeline.generation.sampling import Sampling
    from pipeline.models import load_model
    from pipeline.problems import make_family
    from pipeline.problems.prompts import PromptMix, plain_prompt
    from pipeline.seeds import derive_seed
    from pipeline.training.data import contamination, rejection
    from pipeline.training.fusion import cut_rows, no_think_row, think_row

    family, rng = make_family(settings.family, settings.family_options), Random(request.seed)
    completer = Completer(*load_model(request.input("model")), settings.max_new_tokens)
    low, high = settings.difficulty
    problems = family.sample(settings.samples, "train", (low, high), request.seed)
    judged = completer.complete(
        [plain_prompt(problem) for problem in problems], Sampling(temperature=settings.temperature), request.seed
    )
    verdicts = [rejection(item, settings.min_language) for item in judged]
    kept = [item for item, verdict in zip(judged, verdicts, strict=True) if verdict is None]

    mix = PromptMix(
        flagged=settings.flagged,
        instructions=settings.instructions,
        multi_turn=settings.multi_turn,
        history_turns=settings.history_turns,
        history_difficulty=settings.history_difficulty,
    )
    thinking = [think_row(item, mix, settings.followed, family, rng) for item in kept]
    count = round(settings.no_think_ratio * len(kept))
    options = settings.family_options if settings.no_think_options is None else settings.no_think_options
    others = make_family(settings.family, options).sample(
        count, "train", (low, high), derive_seed(request.seed, "no_think")
    )
    silent = [no_think_row(problem, mix, settings.followed, family, rng) for problem in others]
    cut = cut_rows(
        completer, kept, round(settings.cut_ratio * len(kept)), settings.stop_sentence, settings.flagged, request.seed
    )
    rows = [*thinking, *silent, *cut]
    rng.shuffle(rows)
    dropped = dict(Counter(verdict for verdict in verdicts if verdict))
    write_artifact_rows(request.folder, rows, request.stage, dropped)
    tracker.samples(rows[:24])
    return {
        "sampled": len(judged),
        "dropped": dropped,
        "rows": len(rows),
        "contaminated_rows": contamination(rows),
        "think_rows": len(thinking),
        "no_think_rows": len(silent),
        "cut_rows": len(cut),
        "multi_turn_rows": sum(len(row["messages"]) > 1 for row in rows),
        "unflagged_rows": sum("/" not in row["messages"][-1]["content"] for row in rows),
        "tokens_generated": sum(len(item.rollout.ids) for item in judged),
    }
