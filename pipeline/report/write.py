"""Both reports of a run, from one reading of its folder: ``report.md`` with its pictures, and ``report.html``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.report.contents import read_contents
from pipeline.report.html import render_html
from pipeline.report.markdown import PICTURES, render_markdown
from pipeline.report.plots import budget_figure, reward_figure, save_png, svg_text


def write_report(run: Path, ledger: Mapping[str, Any]) -> None:
    """Write ``report.md``, its pictures and ``report.html`` into a run folder."""
    contents = read_contents(run, ledger)
    figures = {stage: reward_figure(rows) for stage, rows in contents.rewards.rows.items()} if contents.rewards else {}
    if contents.budget:
        figures["budget"] = budget_figure(contents.budget.curves, contents.budget.chance)
    pictures = run / PICTURES
    pictures.mkdir(exist_ok=True)
    for name, figure in figures.items():
        save_png(figure, pictures / f"{name}.png")
    drawn = {name: svg_text(figure, name) for name, figure in figures.items()}
    (run / "report.md").write_text(render_markdown(contents), encoding="utf-8")
    (run / "report.html").write_text(render_html(contents, drawn), encoding="utf-8")
