"""Writes rows of text in microseconds. Its settings are of each sort that a fingerprint tells apart."""

import random
from dataclasses import dataclass, field
from typing import Any

from pipeline.runner.mechanism import Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Options:
    width: int = 1


@dataclass
class Settings:
    rows: int = 3
    text: str = "word"
    options: Options = field(default_factory=Options)
    idle: int = 0
    """Counts in the fingerprint, yet the bytes stay the same."""
    log_every: int = field(default=10, metadata={"result": False})


MECHANISM = Mechanism(settings=Settings, makes="data")


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    import numpy

    from pipeline.artifacts.rows import write_artifact_rows

    rows = [{"text": settings.text * settings.options.width, "row": row} for row in range(settings.rows)]
    write_artifact_rows(request.folder, rows, request.stage, {})
    return {"rows": len(rows), "draws": [random.random(), numpy.random.random()]}
