"""The tables of a report. What a cell says is decided here, once; how it looks is each renderer's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Stage = Mapping[str, Any]
"""A stage as the ledger has it."""


@dataclass(frozen=True)
class Cell:
    """A figure, and what stands smaller beside it: its interval, or its change."""

    value: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.detail}".strip()


@dataclass(frozen=True)
class Row:
    """``notes``: what a reader must know of this row before its figures, such as ``capped``."""

    name: str
    cells: list[Cell]
    notes: list[str] = field(default_factory=list)
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """``head`` names the first column too. ``groups``: a line above the head, each with the columns that it spans."""

    head: list[str]
    rows: list[Row]
    groups: list[tuple[str, int]] = field(default_factory=list)

    def without_empty_columns(self) -> "Table":
        """Columns in which no stage has a figure say nothing: a run without modes has no ``not thinking``."""
        kept = [i for i in range(len(self.head) - 1) if any(row.cells[i].value for row in self.rows)]
        rows = [replace(row, cells=[row.cells[i] for i in kept]) for row in self.rows]
        return Table([self.head[0], *(self.head[i + 1] for i in kept)], rows)


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def interval(ci95: Sequence[float] | None) -> str:
    return f"[{percent(ci95[0])}, {percent(ci95[1])}]" if ci95 else ""


def share(figures: Mapping[str, Any] | None, key: str = "accuracy", ci95: str = "ci95") -> Cell:
    """A share with its interval; nothing for figures that are not there."""
    if not figures or figures.get(key) is None:
        return Cell()
    return Cell(percent(figures[key]), interval(figures.get(ci95)))


def notes(stage: Stage) -> list[str]:
    """``capped``: the stage hit its cap before its gate passed. A status is said where the figures may not hold."""
    said = ["capped"] if stage["metrics"].get("capped") else []
    return said + ([stage["status"]] if stage["status"] in ("stale", "failed", "running") else [])


def _think(key: str, ci95: str = "") -> Callable[[Mapping[str, Any]], Cell]:
    return lambda metrics: share(metrics.get("think"), key, ci95)


def _thought_tokens(metrics: Mapping[str, Any]) -> Cell:
    tokens = metrics.get("think", {}).get("mean_thinking_tokens")
    return Cell("" if tokens is None else f"{tokens:,.1f}")


def _samples(metrics: Mapping[str, Any]) -> Cell:
    figures = metrics.get("think") or metrics["no_think"]
    return Cell(f"{figures.get('n', '?')} × {figures.get('k', '?')}")


RESULTS: list[tuple[str, Callable[[Mapping[str, Any]], Cell]]] = [
    ("thinking", _think("accuracy", "ci95")),
    ("not thinking", lambda metrics: share(metrics.get("no_think"))),
    ("format", _think("format")),
    ("one language", _think("language")),
    ("mode followed", lambda metrics: share(metrics, "mode_following")),
    ("ThinkFollow", lambda metrics: share(metrics.get("think_follow"), "share")),
    ("instruction followed", lambda metrics: share(metrics, "instruction_following", "instruction_ci95")),
    ("thought tokens", _thought_tokens),
    ("n × k", _samples),
]


def results_table(stages: Sequence[Stage]) -> Table:
    """A row for each model that is measured."""
    measured = [s for s in stages if s["metrics"].get("think") or s["metrics"].get("no_think")]
    rows = [Row(s["name"], [read(s["metrics"]) for _, read in RESULTS], notes(s)) for s in measured]
    return Table(["stage", *(head for head, _ in RESULTS)], rows).without_empty_columns()


def budget_table(stages: Sequence[Stage]) -> Table:
    """Accuracy at each budget, and under it what a model would score that wastes every thought that is cut."""
    budgets = sorted({point["budget"] for stage in stages for point in stage["metrics"]["budget"]})
    rows = []
    for stage in stages:
        points = {point["budget"]: point for point in stage["metrics"]["budget"]}
        rows.append(Row(stage["name"], [share(points.get(budget)) for budget in budgets], notes(stage)))
        if any("fits_or_chance" in point for point in points.values()):
            cells = [share(points.get(budget), "fits_or_chance", "") for budget in budgets]
            rows.append(Row("fits or chance", cells, kind="muted"))
    return Table(["budget (tokens)", *(str(budget) for budget in budgets)], rows)


def known_chance(points: Sequence[Mapping[str, Any]]) -> float | None:
    """The accuracy of guessing, where a budget cut every thought: fits-or-chance is chance alone there."""
    return next((p["fits_or_chance"] for p in points if p.get("forced") == 1 and "fits_or_chance" in p), None)


def instruction_table(stages: Sequence[Stage]) -> Table:
    """Instruction following by kind: a row for each kind, a column for each stage."""
    kinds = list(dict.fromkeys(kind for stage in stages for kind in stage["metrics"]["instruction_by"]))
    rows = [Row(kind, [share(stage["metrics"]["instruction_by"], kind) for stage in stages]) for kind in kinds]
    return Table(["kind", *(stage["name"] for stage in stages)], rows)


CURVES = {
    "reward": "reward (weighted sum)",
    "length": "completion length (tokens)",
    "entropy": "entropy (nats)",
}


def curve_table(stages: Sequence[Stage]) -> Table:
    """Both ends of the curves of RL stages, from the ledger: reward, components, length and entropy."""
    ends = [stage["metrics"].get(end, {}) for stage in stages for end in ("first", "last")]
    keys = list(dict.fromkeys(key for end in ends for key in end))
    rows = []
    for key in sorted(keys, key=lambda key: (key in CURVES, keys.index(key))):
        cells = [Cell("" if end.get(key) is None else f"{end[key]:.{1 if key == 'length' else 3}f}") for end in ends]
        rows.append(Row(CURVES.get(key, key.removeprefix("rewards/")), cells))
    windows = [stage["metrics"].get("curve_window", "") for stage in stages]
    head = [f"{end} {window}".strip() for window in windows for end in ("first", "last")]
    return Table(["mean over steps", *head], rows, [("", 1), *((stage["name"], 2) for stage in stages)])


def cost_table(ledger: Mapping[str, Any]) -> Table:
    rows = []
    for stage in ledger["stages"]:
        metrics = stage["metrics"]
        made, wasted = metrics.get("tokens_generated"), metrics.get("tokens_wasted") or {}
        causes = [f"{cause.replace('_', ' ')} {count:,}" + _of(count, made) for cause, count in wasted.items()]
        seconds = "" if stage["seconds"] is None else f"{stage['seconds']:,.1f}"
        cells = [stage["uses"], stage["status"], seconds, number(metrics.get("steps")), number(made), "; ".join(causes)]
        rows.append(Row(stage["name"], [Cell(cell) for cell in cells], kind="" if seconds else "muted"))
    total = [Cell(), Cell(), Cell(f"{ledger['wall_seconds']:,.1f}"), Cell(), Cell(number(tokens_generated(ledger)))]
    rows.append(Row("total", [*total, Cell()], kind="total"))
    return Table(["stage", "uses", "status", "seconds", "steps", "tokens generated", "of them wasted"], rows)


def _of(count: int, made: int | None) -> str:
    return f" ({100 * count / made:.1f}%)" if made and count else ""


def tokens_generated(ledger: Mapping[str, Any]) -> int:
    return sum(stage["metrics"].get("tokens_generated") or 0 for stage in ledger["stages"])
