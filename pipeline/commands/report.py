"""``coldstart report RUN [RUN ...]``: a run's report again, or two and more side by side, with paired significance."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError
from pipeline.runner.ledger import LEDGER

Answers = dict[str, list[bool]]
"""Problem -> whether each sample is right."""
FLAGS = (" /think", " /no_think")
SHOWN = 5
"""Problems that flipped, of each comparison, shown with both completions."""


def report(folders: Sequence[Path], out: Path) -> Path:
    """Write one run's ``report.md`` and ``report.html`` again, or ``compare.md`` and ``compare.json`` of several.

    The first folder is what the others are held against. Folders are runs, or what ``coldstart budget`` wrote.

    Returns:
        The file to look at.

    Raises:
        ColdstartError: a folder is neither, or two have nothing in common.
    """
    if not folders:
        raise ColdstartError("which run? coldstart report runs/qwen3-tiny [another ...]")
    for folder in folders:
        if not any((folder / name).is_file() for name in (LEDGER, "budget.json")):
            raise ColdstartError(f"{folder} has no {LEDGER} and no budget.json; give a run's folder, or a budget's")
    if len(folders) == 1:
        return _again(folders[0])
    return _compare(folders, out)


def _again(folder: Path) -> Path:
    if (folder / LEDGER).is_file():
        from pipeline.report.write import write_report

        write_report(folder, json.loads((folder / LEDGER).read_text(encoding="utf-8")))
        return folder / "report.html"
    from pipeline.report.budget import write_budget_report

    write_budget_report(folder, json.loads((folder / "budget.json").read_text(encoding="utf-8")))
    return folder / "budget.md"


def _compare(folders: Sequence[Path], out: Path) -> Path:
    from pipeline.evaluation.compare import Comparison, compare
    from pipeline.report.compare import render_comparison

    names = _distinct(folders)
    rows = {name: read_completions(folder) for name, folder in zip(names, folders, strict=True)}
    first, *others = names
    found: dict[str, dict[str, Comparison]] = {}
    for other in others:
        for part, completions in rows[first].items():
            held = compare(_answers(completions), _answers(rows[other].get(part, [])))
            if held is not None:
                found.setdefault(other, {})[part] = held
        if other not in found:
            raise ColdstartError(
                f"{first} and {other} answered no problem in common; evaluate both on the same problems"
            )
    out.mkdir(parents=True, exist_ok=True)
    flips = {
        other: {part: _flips(rows[first][part], rows[other][part], held) for part, held in parts.items()}
        for other, parts in found.items()
    }
    text = render_comparison(first, found, flips)
    figures = {other: {part: held.as_dict() for part, held in parts.items()} for other, parts in found.items()}
    (out / "compare.json").write_text(
        json.dumps({"before": first, "after": figures}, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    (out / "compare.md").write_text(text, encoding="utf-8")
    return out / "compare.md"


def read_completions(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Part -> its completions: ``<stage>, <mode>`` of a run, ``budget <N>`` of a budget's folder."""
    from pipeline.artifacts.rows import read_lines

    parts: dict[str, list[dict[str, Any]]] = {}
    if (folder / "samples.jsonl").is_file() and (folder / "budget.json").is_file():
        for row in read_lines(folder / "samples.jsonl"):
            parts.setdefault(f"budget {row['budget']}", []).append({**row, "question": row["prompt"]})
        return parts
    ledger = json.loads((folder / LEDGER).read_text(encoding="utf-8"))
    for stage in ledger["stages"]:
        path = folder / f"{stage['name']}_eval" / "results" / "completions.jsonl"
        if not path.is_file():
            continue
        for row in read_lines(path):
            if row["part"] in ("think", "no_think", "think_greedy", "no_think_greedy"):
                question = row["prompt"][-1]["content"]
                for flag in FLAGS:
                    question = question.removesuffix(flag)
                parts.setdefault(f"{stage['name']}, {row['part']}", []).append({**row, "question": question})
    return parts


def _answers(rows: Sequence[Mapping[str, Any]]) -> Answers:
    answers: Answers = {}
    for row in rows:
        answers.setdefault(row["question"], []).append(bool(row["correct"]))
    return answers


def _flips(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], held: Any) -> list[dict[str, str]]:
    """The first problems that one gained and lost, each with the first sample of both."""
    old, new = ({row["question"]: row for row in reversed(rows)} for rows in (before, after))
    shown = [("gained", problem) for problem in held.gained[:SHOWN]] + [("lost", p) for p in held.lost[:SHOWN]]
    return [
        {"what": what, "question": problem, "before": old[problem]["completion"], "after": new[problem]["completion"]}
        for what, problem in shown
    ]


def _distinct(folders: Sequence[Path]) -> list[str]:
    """Names of folders that tell them apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]
