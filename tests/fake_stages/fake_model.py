"""Makes a "model" out of its inputs' bytes. With ``fail_first`` its first try ends after half of the work."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker

LOST = 0.2
"""Seconds that a failed try takes."""


@dataclass
class Settings:
    factor: float = 1.0
    fail_first: bool = field(default=False, metadata={"result": False})
    keep_checkpoints: bool = field(default=False, metadata={"result": False})


MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"model": Input("model", required=False), "data": Input("data", required=False)},
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    checkpoint = request.trainer_folder / "checkpoint"
    resumed = checkpoint.is_file()
    model = request.folder / "model"
    model.mkdir(exist_ok=True)
    if not resumed:
        tracker.rewind(0)
        request.trainer_folder.mkdir(exist_ok=True)
        checkpoint.write_text("half of the work")
        (model / "config.json").write_text("{}")
        tracker.log(1, {"loss": 2.0})
        if settings.fail_first:
            time.sleep(LOST)
            tracker.progress(1, 2)
            raise RuntimeError("power cut")
    tracker.log(2, {"loss": 1.0})
    tracker.progress(2, 2)
    weights = hashlib.sha256(f"{settings.factor} {request.seed}".encode())
    for name, file in (("model", "model/weights"), ("data", "data/train.jsonl")):
        if name in request.inputs:
            weights.update((request.input(name) / file).read_bytes())
    (model / "weights").write_text(weights.hexdigest())
    return {"last_loss": 1.0, "resumed": resumed}
