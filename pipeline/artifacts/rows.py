"""Rows of data artifacts: JSONL, one object a line, UTF-8."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError

ROWS = "train.jsonl"
"""The file of a data artifact's ``data/`` folder."""


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_artifact_rows(
    artifact: Path, rows: Sequence[Mapping[str, Any]], stage: str, dropped: Mapping[str, int]
) -> None:
    """Write a data artifact's rows. Raises ColdstartError when none was kept, saying what they were dropped for."""
    if not rows:
        causes = ", ".join(f"{count} {cause}" for cause, count in dropped.items()) or "none was made"
        raise ColdstartError(
            f"stage {stage}: no row was kept ({causes}); the model it samples from is not good enough yet, or too much "
            "is asked of its samples"
        )
    write_rows(artifact / "data" / ROWS, rows)


def read_rows(artifact: Path) -> list[dict[str, Any]]:
    """The rows of a data artifact."""
    return read_lines(artifact / "data" / ROWS)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file of ours."""
    # Not splitlines(): it also splits at U+2028 and its like, which JSON strings may hold as they are.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
