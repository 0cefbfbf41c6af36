"""Evaluate a model: each mode, budgets, instructions, on held-out problems. Writes figures and every completion."""

import json
from typing import Any

from pipeline.evaluation.settings import EvaluationSettings as Settings
from pipeline.problems.settings import PROBLEM_FILES
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker

MECHANISM = Mechanism(settings=Settings, makes="results", inputs={"model": Input("model")}, reads=PROBLEM_FILES)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.artifacts.rows import write_rows
    from pipeline.evaluation.evaluate import evaluate
    from pipeline.generation.complete import Completer
    from pipeline.models import load_model

    model, tokenizer = load_model(request.input("model"))
    completer = Completer(model, tokenizer, settings.max_new_tokens, settings.stop_sentence)
    evaluation = evaluate(completer, settings, tracker)
    results = request.folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    write_rows(results / "completions.jsonl", evaluation.completions)
    (results / "figures.json").write_text(json.dumps(evaluation.metrics, indent=1), encoding="utf-8")
    tracker.samples(evaluation.completions[:: max(1, len(evaluation.completions) // 24)])
    return evaluation.metrics
