"""What ``coldstart budget`` writes for people: ``budget.md`` and ``budget.png``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.report.markdown import render_table
from pipeline.report.plots import budget_figure, save_png
from pipeline.report.tables import Cell, Row, Table, known_chance, number, percent, share


def write_budget_report(out: Path, figures: Mapping[str, Any]) -> None:
    save_png(
        budget_figure({Path(figures["model"]).name: _curve(figures)}, known_chance(figures["points"])),
        out / "budget.png",
    )
    (out / "budget.md").write_text(render_budget(figures), encoding="utf-8")


def write_curves(root: Path, folders: Sequence[Path]) -> None:
    """Every model of a run on one plot, in the run's order."""
    figures = {folder.name: json.loads((folder / "budget.json").read_text(encoding="utf-8")) for folder in folders}
    chance = known_chance([point for found in figures.values() for point in found["points"]])
    save_png(budget_figure({name: _curve(found) for name, found in figures.items()}, chance), root / "budget.png")


def render_budget(figures: Mapping[str, Any]) -> str:
    sufficient, area = figures["smallest_sufficient_budget"], figures["area"]
    parts = [
        f"# {figures['model']} on {figures['problems']}",
        f"{figures['n']} problems, {figures['k']} completion(s) of each; 95% intervals "
        f"({'Wilson' if figures['k'] == 1 else 'clustered by problem'}). "
        + ("No budget here" if sufficient is None else f"A budget of {sufficient} tokens is the smallest that")
        + " is within one point of unlimited thinking. "
        + ("" if area is None else f"Mean accuracy over the budgets: {percent(area)}%."),
        "![accuracy against the thinking budget](budget.png)",
        render_table(budget_points(figures["points"])),
        "*cut*: thoughts that the budget stopped; *ended*: thoughts that the model closed itself; *tokens*: of all "
        "completions. Every completion is in `samples.jsonl`.",
        "## By difficulty",
        render_table(_split(figures["points"], "by_difficulty")),
        "## By language",
        render_table(_split(figures["points"], "by_language")),
    ]
    return "\n\n".join(parts) + "\n"


def budget_points(points: Sequence[Mapping[str, Any]]) -> Table:
    several = points[0]["k"] > 1
    head = ["budget", "accuracy", "fits or chance", *(("pass@k", "maj@k") if several else ())]
    head += ["thinking tokens", "answer tokens", "cut", "ended", "tokens"]
    rows = []
    for point in points:
        cells = [share(point), share(point, "fits_or_chance", "")]
        cells += [share(point, "pass_at_k", ""), share(point, "maj_at_k", "")] if several else []
        cells += [Cell(f"{point['mean_thinking_tokens']:.1f}"), Cell(f"{point['answer_tokens']:.1f}")]
        cells += [share(point, "forced", ""), share(point, "ended", ""), Cell(number(point["tokens"]))]
        rows.append(Row(str(point["budget"]), cells))
    return Table(head, rows).without_empty_columns()


def _split(points: Sequence[Mapping[str, Any]], key: str) -> Table:
    names = list(dict.fromkeys(name for point in points for name in point[key]))
    rows = [Row(str(point["budget"]), [Cell(percent(point[key].get(name))) for name in names]) for point in points]
    return Table(["budget", *names], rows)


def _curve(figures: Mapping[str, Any]) -> dict[str, Any]:
    """In the ledger's shape."""
    points = figures["points"]
    return {"budget": [point for point in points if isinstance(point["budget"], int)], "no_think": points[0]}
