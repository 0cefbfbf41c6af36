"""``report.md``: the ledger as tables, the budget curve, reward curves and real samples; made after each stage."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.report.plots import plot_budget_curves, plot_reward_curves

PICTURES = "report"
SAMPLE_DIFFICULTY = 0.6
"""The problem shown through all stages is this far up the range of difficulties: neither trivial nor the hardest."""


def write_report(run: Path, ledger: Mapping[str, Any]) -> None:
    """Write ``report.md`` and its pictures into a run folder."""
    stages = [stage for stage in ledger["stages"] if stage["metrics"]]
    pictures = run / PICTURES
    pictures.mkdir(exist_ok=True)
    parts = [
        f"# {run.name}",
        f"Recipe `{ledger['recipe']}`, scale `{ledger['scale']}`, seed {ledger['seed']}; "
        f"{ledger['wall_seconds']:.0f} seconds of compute behind what is here.",
        "Shares are in percent, with 95% intervals; *n* problems, *k* samples each. Every completion behind a figure "
        "is in `<stage>_eval/results/`.",
        "## What each stage gained",
        _results_table(stages),
        *_budget_part(stages, pictures),
        *_reward_part(run, stages, pictures),
        "## What each stage cost",
        _cost_table(ledger["stages"]),
        *_samples_part(run, stages),
    ]
    (run / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _accuracy(metrics: Mapping[str, Any] | None) -> str:
    if not metrics:
        return ""
    low, high = metrics["ci95"]
    return f"{_percent(metrics['accuracy'])} [{_percent(low)}, {_percent(high)}]"


def _results_table(stages: Sequence[Mapping[str, Any]]) -> str:
    head = ["stage", "think", "no_think", "n × k", "format", "language", "modes", "instructions", "thought tokens"]
    rows = []
    for stage in stages:
        metrics = stage["metrics"]
        think = metrics.get("think")
        if not think:
            continue
        rows.append(
            [
                stage["name"] + (" (capped)" if metrics.get("capped") else ""),
                _accuracy(think),
                _accuracy(metrics.get("no_think")),
                f"{think['n']} × {think['k']}",
                _percent(think.get("format")),
                _percent(think.get("language")),
                _percent(metrics.get("mode_following")),
                _percent(metrics.get("instruction_following")),
                f"{think['mean_thinking_tokens']:.1f}",
            ]
        )
    return _table(head, rows) if rows else "Nothing is evaluated yet."


def _budget_part(stages: Sequence[Mapping[str, Any]], pictures: Path) -> list[str]:
    curves = {stage["name"]: stage["metrics"] for stage in stages if stage["metrics"].get("budget")}
    if not curves:
        return []
    plot_budget_curves(curves, pictures / "budget.png")
    budgets = [str(point["budget"]) for point in next(iter(curves.values()))["budget"]]
    rows = [[name, *(_percent(point["accuracy"]) for point in metrics["budget"])] for name, metrics in curves.items()]
    last = list(curves.values())[-1]["budget"]
    if all("fits_or_chance" in point for point in last):
        rows.append([f"thought fits, or chance ({list(curves)[-1]})", *(_percent(p["fits_or_chance"]) for p in last)])
    return [
        "## Accuracy against the thinking budget",
        f"![budget curve]({PICTURES}/budget.png)",
        _table(["budget (tokens)", *budgets], rows),
    ]


def _reward_part(run: Path, stages: Sequence[Mapping[str, Any]], pictures: Path) -> list[str]:
    parts: list[str] = []
    for stage in stages:
        if "tokens_wasted" not in stage["metrics"]:
            continue
        lines = (run / stage["name"] / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        plot_reward_curves(stage["name"], [json.loads(line) for line in lines], pictures / f"{stage['name']}.png")
        parts.append(f"![{stage['name']}]({PICTURES}/{stage['name']}.png)")
    return ["## Reinforcement learning", *parts] if parts else []


def _cost_table(stages: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for stage in stages:
        metrics = stage["metrics"]
        wasted = metrics.get("tokens_wasted")
        rows.append(
            [
                stage["name"],
                stage["uses"],
                stage["status"],
                "" if stage["seconds"] is None else f"{stage['seconds']:.1f}",
                str(metrics.get("steps", "")),
                str(metrics.get("tokens_generated", "")),
                ""
                if not wasted
                else ", ".join(f"{cause.replace('_', ' ')} {count}" for cause, count in wasted.items()),
            ]
        )
    return _table(["stage", "uses", "status", "seconds", "steps", "tokens generated", "of them wasted"], rows)


def _samples_part(run: Path, stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same problem through all stages, in each language: the first sample of each, not a chosen one."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for stage in stages:
        path = run / f"{stage['name']}_eval" / "results" / "completions.jsonl"
        if path.is_file():
            shown[stage["name"]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not shown:
        return []
    parts = ["## One problem through all stages", "The first sample at the evaluation's settings, whatever it is."]
    first = next(iter(shown.values()))
    levels = sorted({row["difficulty"] for row in first})
    level = levels[int(SAMPLE_DIFFICULTY * (len(levels) - 1))]
    for language in ("en", "zh"):
        chosen = next((r for r in first if (r["difficulty"], r["language"]) == (level, language)), None)
        if chosen is None:
            continue
        question = chosen["prompt"][-1]["content"]
        parts.append(f"### `{question}` (answer {chosen['gold']})")
        for name, rows in shown.items():
            for part in ("think", "no_think", "budget_12"):
                row = next(
                    (
                        r
                        for r in rows
                        if r["part"] == part
                        and r["sample"] == 0
                        and r["prompt"][-1]["content"].removesuffix(" /think").removesuffix(" /no_think") == question
                    ),
                    None,
                )
                if row:
                    verdict = "right" if row["correct"] else "wrong" if not row["fault"] else row["fault"]
                    text = row["completion"].replace("```", "ʼʼʼ")
                    parts.append(f"**{name}**, {part}: {verdict}\n\n```text\n{text}\n```")
    return parts
