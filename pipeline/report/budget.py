"""What ``coldstart budget`` writes for people: ``budget.md``, ``budget.html`` and ``budget.png``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipeline.report.html import environment
from pipeline.report.markdown import render_table
from pipeline.report.plots import budget_figure, save_png, svg_text
from pipeline.report.tables import Cell, Row, Table, known_chance, number, percent, share


@dataclass(frozen=True)
class BudgetContents:
    """What both renderers lay out."""

    model: str
    problems: str
    sentence: str
    points: Table
    by_difficulty: Table
    by_language: Table


def write_budget_report(out: Path, figures: Mapping[str, Any]) -> None:
    """``budget.md``, ``budget.png`` and ``budget.html``."""
    drawn = budget_figure({Path(figures["model"]).name: _curve(figures)}, known_chance(figures["points"]))
    contents = read_budget(figures)
    save_png(drawn, out / "budget.png")
    (out / "budget.md").write_text(render_budget(contents), encoding="utf-8")
    page = environment().get_template("budget.html.jinja")
    text = page.render(budget=contents, figure=Markup(svg_text(drawn, "budget")))
    (out / "budget.html").write_text(text, encoding="utf-8")


def write_curves(root: Path, folders: Sequence[Path]) -> None:
    """Every model of a run on one plot, in the run's order."""
    figures = {folder.name: json.loads((folder / "budget.json").read_text(encoding="utf-8")) for folder in folders}
    chance = known_chance([point for found in figures.values() for point in found["points"]])
    save_png(budget_figure({name: _curve(found) for name, found in figures.items()}, chance), root / "budget.png")


def read_budget(figures: Mapping[str, Any]) -> BudgetContents:
    sufficient, area, k = figures["smallest_sufficient_budget"], figures["area"], figures["k"]
    sentence = (
        f"{figures['n']} problems, {k} completion{'s' * (k > 1)} of each; 95% intervals "
        f"({'Wilson' if k == 1 else 'clustered by problem'}). "
        + ("No budget here" if sufficient is None else f"A budget of {sufficient} tokens is the smallest that")
        + " is within one point of unlimited thinking."
        + ("" if area is None else f" Mean accuracy over the budgets: {percent(area)}%.")
    )
    points = figures["points"]
    return BudgetContents(
        model=figures["model"],
        problems=figures["problems"],
        sentence=sentence,
        points=budget_points(points),
        by_difficulty=_split(points, "by_difficulty"),
        by_language=_split(points, "by_language"),
    )


def render_budget(contents: BudgetContents) -> str:
    parts = [
        f"# {contents.model} on {contents.problems}",
        contents.sentence,
        "![accuracy against the thinking budget](budget.png)",
        render_table(contents.points),
        "*cut*: thoughts that the budget stopped; *ended*: thoughts that the model closed itself; *tokens*: of all "
        "completions. Every completion is in `samples.jsonl`.",
        "## By difficulty",
        render_table(contents.by_difficulty),
        "## By language",
        render_table(contents.by_language),
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
