"""Rows of data artifacts: JSONL, one object a line, UTF-8."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError

ROWS = "train.jsonl"
"""The file of a data artifact's ``data/`` folder."""


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_rows(artifact: Path) -> list[dict[str, Any]]:
    """The rows of a data artifact. Raises ColdstartError when it has none."""
    path = artifact / "data" / ROWS
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not rows:
        raise ColdstartError(f"{path} has no rows: the stage that made it kept nothing; look at its metrics")
    return rows
