"""The figures of a report: one function draws, another saves as PNG (for Markdown), another gives SVG (for HTML)."""

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#24292e"
"""The colour of text and axes; in HTML it becomes the page's own, so that a figure is legible on a dark page too."""
BLUE, ORANGE, GREY = "#3a7ebf", "#d9822b", "#8a9099"
COLOURS = (BLUE, ORANGE, "#2f9e73", "#a05db5", "#d1495b", "#8c6d46", "#4bb3c9")
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
SMOOTH = 10
"""Steps of the running mean that is drawn over curves long enough for one."""


LABELS = ("under the budget (95% interval)", "the thought fits, or chance", "not thinking", "chance")
SIDES = ((-1, 0), (1, 1))
"""The sign and the end of an interval, below and above its point."""


def budget_figure(curves: Mapping[str, Mapping[str, Any]], chance: float | None) -> Figure:
    """Accuracy against the thinking budget: a panel for each model, so that intervals do not hide each other.

    Args:
        curves: stage name -> its ledger metrics, with ``budget`` and, where there is one, ``no_think``.
        chance: the accuracy of guessing, where it is known.
    """
    columns = min(2, len(curves))
    lines = -(-len(curves) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 2.75 * lines + 0.5) if columns == 2 else (8.6, 3.9), layout="constrained")
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flatten()
        for panel, (name, metrics) in zip(panels, curves.items(), strict=False):
            _budget_panel(panel, metrics, chance)
            panel.set_title(name, fontweight="bold")
        for panel in panels[len(curves) :]:
            panel.set_axis_off()
        labelled = {label: handle for p in panels for handle, label in zip(*p.get_legend_handles_labels(), strict=True)}
        order = sorted(labelled, key=LABELS.index)
        figure.legend([labelled[label] for label in order], order, loc="outside upper center", ncols=4)
        figure.supxlabel("thinking budget (tokens)", fontsize=9)
        figure.supylabel("accuracy, %", fontsize=9)
    return figure


def _budget_panel(panel: Axes, metrics: Mapping[str, Any], chance: float | None) -> None:
    points = metrics["budget"]
    budgets = [point["budget"] for point in points]
    accuracy = [100 * point["accuracy"] for point in points]
    errors = [[max(0.0, sign * (100 * p["ci95"][end] - 100 * p["accuracy"])) for p in points] for sign, end in SIDES]
    panel.errorbar(
        budgets, accuracy, errors, color=BLUE, marker="o", markersize=4, capsize=2, label=LABELS[0], zorder=3
    )
    if all("fits_or_chance" in point for point in points):
        fits = [100 * point["fits_or_chance"] for point in points]
        panel.plot(budgets, fits, color=ORANGE, linestyle=":", linewidth=1.8, label=LABELS[1])
    if metrics.get("no_think"):
        level = 100 * metrics["no_think"]["accuracy"]
        panel.axhline(level, color=COLOURS[2], linestyle="--", linewidth=1.2, label=LABELS[2])
    if chance is not None:
        panel.axhline(100 * chance, color=GREY, linewidth=0.9, label=LABELS[3])
    panel.set_ylim(0, 102)
    panel.set_xticks(budgets if len(budgets) <= 12 else budgets[:: len(budgets) // 8])
    panel.grid(alpha=0.25, linewidth=0.6)


def reward_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The curves of an RL stage over its steps: reward components, their weighted sum, length and entropy."""
    # In the recipe's order, which keeps a component's colour from one stage to the next.
    names = list(dict.fromkeys(key.split("/")[1] for row in rows for key in row if _is_component(key)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 2.9), layout="constrained")
        panels = figure.subplots(1, 4, width_ratios=[1.5, 1, 1, 1])
        for index, name in enumerate(names):
            _curve(panels[0], rows, f"rewards/{name}/mean", COLOURS[index % len(COLOURS)], name)
        panels[0].set_title("rewards by component (0 to 1)")
        panels[0].set_ylim(-0.02, 1.05)
        if names:  # below, as in the panel it hides a curve
            figure.legend(loc="outside lower left", ncols=len(names), handlelength=1.4)
        singles = (
            ("reward", "reward (weighted sum)"),
            ("completions/mean_length", "completion length (tokens)"),
            ("entropy", "entropy (nats)"),
        )
        for panel, (key, title) in zip(panels[1:], singles, strict=True):
            _curve(panel, rows, key, BLUE, "")
            panel.set_title(title)
        for panel in panels:
            panel.set_xlabel("step")
            panel.grid(alpha=0.25, linewidth=0.6)
    return figure


def _is_component(key: str) -> bool:
    return key.startswith("rewards/") and key.endswith("/mean")


def _curve(panel: Axes, rows: Sequence[Mapping[str, Any]], key: str, colour: str, label: str) -> None:
    """A curve; one that is long enough is drawn faintly, with its running mean over it."""
    points = [(row.get("step", i), row[key]) for i, row in enumerate(rows, 1) if row.get(key) is not None]
    steps, values = [step for step, _ in points], [value for _, value in points]
    if len(values) >= 3 * SMOOTH:
        panel.plot(steps, values, color=colour, alpha=0.25, linewidth=0.9)
        values = [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i + 1 - SMOOTH) : i + 1])]
    panel.plot(steps, values, color=colour, linewidth=1.5, label=label or None)


def save_png(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120, metadata={"Software": None})


def svg_text(figure: Figure, title: str) -> str:
    """The figure as an ``<svg>`` element for a page: the same bytes for the same figure, text as text, no size.

    Ids are salted with the title, as two figures of one page must not share a clip path.
    """
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = file.getvalue()
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body).replace(INK, "currentColor")
    return f'<svg viewBox="{box.group(1) if box else ""}" role="img" aria-label="{escape(title)}">{body}'
