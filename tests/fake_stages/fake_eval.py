"""Results of a model: a figure made of its bytes."""

import json
from dataclasses import dataclass, field
from typing import Any

from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Settings:
    k: int = 1
    problems: int = 8
    fail: bool = field(default=False, metadata={"result": False})


MECHANISM = Mechanism(settings=Settings, makes="results", inputs={"model": Input("model")})


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    if settings.fail:
        raise RuntimeError("no verdict")
    weights = (request.input("model") / "model" / "weights").read_text()
    accuracy = int(weights[:4], 16) / 16**4
    metrics = {"think": {"accuracy": accuracy, "ci95": [0.0, 1.0], "n": settings.problems, "k": settings.k}}
    (request.folder / "results").mkdir(exist_ok=True)
    (request.folder / "results" / "figures.json").write_text(json.dumps(metrics))
    return metrics
