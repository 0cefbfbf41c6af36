"""``compare.md``: models side by side, on the problems that they share."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.compare import Comparison
from pipeline.report.markdown import fenced, render_table
from pipeline.report.tables import Cell, Row, Table, interval, percent

HEAD = ["", "n", "before", "after", "difference", "McNemar p", "gained", "lost"]


def render_comparison(
    first: str,
    found: Mapping[str, Mapping[str, Comparison]],
    flips: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]],
) -> str:
    parts = [
        f"# Against {first}",
        "Accuracy in percent, on the problems that both answered. Differences are paired by problem, with 95% "
        "intervals from a bootstrap over problems; McNemar's exact test where each problem has one sample. **Bold**: "
        "the interval leaves out 0. Among many comparisons, one in twenty does so by chance.",
    ]
    for other, comparisons in found.items():
        rows = [Row(part, _cells(held)) for part, held in comparisons.items()]
        parts += [f"## {other}", render_table(Table(HEAD, rows))]
        for part, shown in flips[other].items():
            if shown:
                parts.append(f"### {part}: problems that flipped")
            for flip in shown:
                parts.append(
                    f"{flip['what']}:\n\n" + "\n\n".join(fenced(flip[key]) for key in ("question", "before", "after"))
                )
    return "\n\n".join(parts) + "\n"


def _cells(held: Comparison) -> list[Cell]:
    difference = f"{100 * held.difference:+.1f}"
    return [
        Cell(str(held.n)),
        Cell(percent(held.before)),
        Cell(percent(held.after)),
        Cell(f"**{difference}**" if held.significant else difference, interval(held.ci95)),
        Cell("" if held.p is None else f"{held.p:.3g}"),
        Cell(str(len(held.gained))),
        Cell(str(len(held.lost))),
    ]
