"""The one tracker, fed by all stages: JSONL always, wandb by setting, progress for whoever watches.

A stage gets a tracker and nothing else to report to; trainers report to it through a callback
(:class:`pipeline.training.callbacks.TrackerCallback`). It imports no engine.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Progress = Callable[[float, float, str], None]
"""Called with (done, total, note); total is 0 when it is not known."""


class Tracker:
    """Writes ``metrics.jsonl`` and ``samples.jsonl`` into a stage's folder."""

    def __init__(
        self,
        folder: Path,
        stage: str,
        progress: Progress | None = None,
        sink: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        """``sink``: gets each row of metrics with its keys prefixed by the stage (wandb's ``log``)."""
        self.folder, self.stage, self._progress, self._sink = folder, stage, progress, sink

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.jsonl"

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """One row of a curve. Figures only; NaN and infinity become null, as JSON has neither."""
        figures: dict[str, Any] = {
            key: (value if math.isfinite(value) else None)
            for key, value in metrics.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")
        if self._sink is not None:
            self._sink({f"{self.stage}/{key}": value for key, value in {**figures, "step": step}.items()})

    def rewind(self, step: int) -> None:
        """Drop the rows after ``step``: a stage that resumes from a checkpoint writes them again."""
        rows = [row for row in self.history() if row["step"] <= step]
        if self.metrics_path.exists():
            self.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def history(self) -> list[dict[str, Any]]:
        """The rows so far."""
        if not self.metrics_path.exists():
            return []
        return [json.loads(line) for line in self.metrics_path.read_text(encoding="utf-8").splitlines()]

    def samples(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """A few dozen real completions with their rewards; the last call stands."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / "samples.jsonl").write_text(text, encoding="utf-8")

    def progress(self, done: float, total: float = 0, note: str = "") -> None:
        if self._progress is not None:
            self._progress(done, total, note)
