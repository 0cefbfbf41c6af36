"""Rejection sampling: a model's own completions, kept when they are right, well-formed and in the mode asked for."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.prompts import PromptMix
from pipeline.problems.settings import PROBLEM_FILES, ProblemSettings
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Settings(ProblemSettings):
    prompts: int = 600
    mix: PromptMix = field(default_factory=PromptMix)
    k: int = 1
    temperature: float = 0.7
    top_p: float = 1.0
    max_new_tokens: int = 64
    cut_ratio: float = 0.0
    """Cut thoughts for each kept thinking completion, answered by the model under its stop sentence."""
    stop_sentence: dict[str, str] = field(default_factory=lambda: {"en": "", "zh": ""})
    min_language: float = 1.0
    """Least share of a thought's words in the question's language."""


MECHANISM = Mechanism(settings=Settings, makes="data", inputs={"model": Input("model")}, reads=PROBLEM_FILES)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.artifacts.rows import write_artifact_rows
    from pipeline.generation.complete import Completer
    from pipeline.generation.sampling import Sampling
    from pipeline.models import load_model
    from pipeline.training.data import contamination, draw_prompts, rejection
    from pipeline.training.fusion import cut_rows

    prompts = draw_prompts(settings, settings.mix, settings.prompts, request.seed)
    completer = Completer(*load_model(request.input("model")), settings.max_new_tokens, settings.stop_sentence)
    judged = completer.complete(
        prompts, Sampling(temperature=settings.temperature, top_p=settings.top_p), request.seed, settings.k
    )
    verdicts = [rejection(item, settings.min_language) for item in judged]
    kept = [item for item, verdict in zip(judged, verdicts, strict=True) if verdict is None]
    rows = [{**item.prompt.as_row(), "completion": item.completion.text, "untrained": ""} for item in kept]
    thinking = [item for item in kept if item.prompt.mode == "think" and not item.prompt.instructions]
    cut = cut_rows(
        completer, thinking, round(settings.cut_ratio * len(thinking)), settings.stop_sentence, 1.0, request.seed
    )
    rows += cut
    dropped = dict(Counter(verdict for verdict in verdicts if verdict))
    write_artifact_rows(request.folder, rows, request.stage, dropped)
    tracker.samples(rows[:24])
    return {
        "sampled": len(judged),
        "rows": len(rows),
        "contaminated_rows": contamination(rows),
        "dropped": dropped,
        "cut_rows": len(cut),
        "rows_by_mode": dict(Counter(row["mode"] for row in rows)),
        "tokens_generated": sum(len(item.rollout.ids) for item in judged),
    }
