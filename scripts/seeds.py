"""Repeat recipe qwen3 on several seeds and print what each stage gained, seed by seed, and which signs came out.

    python scripts/seeds.py 1 2 3 4 5
    python scripts/seeds.py 1 2 3 4 5 -- stages.fusion_data.cut_ratio=0 until=fusion runs_dir=runs/no_cut_rows

Everything after ``--`` goes to every run; complete runs are only read. Differences between stages are paired by
problem, with 95% intervals over problems. A *sign* is a claim that an interval must lie above a bound; it is counted
over seeds.
"""

import argparse
import json
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Z95 = 1.959964
BEYOND_COLD_START = 9
"""Steps of the shortest problem that is longer than any of the cold start's (conf/tuning/qwen3_tiny.yaml)."""
FLAGS = (" /think", " /no_think")
Means = dict[str, float]


@dataclass(frozen=True)
class Estimate:
    """A figure with half of its 95% interval (None where it has none)."""

    value: float
    half: float | None = None

    def __str__(self) -> str:
        return f"{self.value:.3f}" + ("" if self.half is None else f" ± {self.half:.3f}")

    @property
    def low(self) -> float:
        return self.value - (self.half or 0.0)


@dataclass
class SeedRun:
    """One seed's run folder, read as it is asked."""

    folder: Path
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @cached_property
    def ledger(self) -> dict[str, Any]:
        return json.loads((self.folder / "ledger.json").read_text(encoding="utf-8"))

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        return {stage["name"]: stage["metrics"] for stage in self.ledger["stages"]}

    def means(self, stage: str, part: str, value: str = "correct", hard: int = 0) -> Means:
        """Question -> mean over its samples, of problems of at least ``hard`` steps."""
        if stage not in self.rows:
            path = self.folder / f"{stage}_eval" / "results" / "completions.jsonl"
            self.rows[stage] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        samples: dict[str, list[float]] = defaultdict(list)
        for row in self.rows[stage]:
            if row["part"] == part and row["difficulty"] >= hard:
                question = row["prompt"][-1]["content"]
                for flag in FLAGS:
                    question = question.removesuffix(flag)
                samples[question].append(float(row[value] or 0))
        return {question: sum(values) / len(values) for question, values in samples.items()}


def mean(values: Sequence[float]) -> Estimate:
    average = sum(values) / len(values)
    deviation = math.sqrt(sum((value - average) ** 2 for value in values) / (len(values) - 1))
    return Estimate(average, Z95 * deviation / math.sqrt(len(values)))


def paired(after: Means, before: Means, keep: float = 1.0) -> Estimate:
    """``after - keep * before``, problem by problem."""
    return mean([after[question] - keep * before[question] for question in after])


def above_the_line(run: SeedRun, stage: str) -> Estimate:
    """The least lead of the budget curve over fits-or-chance, at budgets between the first and the last.

    Paired: where a thought fits, both are the same; where it is cut, the line has chance.
    """
    points = run.metrics[stage]["budget"]
    chance = points[0]["fits_or_chance"]  # every thought is cut at the first
    leads = []
    for point in points[1:-1]:
        part = f"budget_{point['budget']}"
        right, cut = run.means(stage, part), run.means(stage, part, "cut")
        leads.append(mean([right[question] - chance if cut[question] else 0.0 for question in right]))
    return min(leads, key=lambda lead: lead.low)


def more_instructions(run: SeedRun) -> Estimate:
    """General RL's share against fusion's: the same prompts, paired."""
    return paired(*(run.means(stage, "instructions", "instruction_followed") for stage in ("general_rl", "fusion")))


def modes(run: SeedRun, stage: str) -> Estimate:
    """Share of problems' samples that think exactly when asked to, over both modes."""
    think, silent = (run.means(stage, part, "mode_followed") for part in ("think", "no_think"))
    return mean([*think.values(), *silent.values()])


def think(stage: str, hard: int = 0, value: str = "correct") -> Callable[[SeedRun], Means]:
    return lambda run: run.means(stage, "think", value, hard)


def gain(
    after: str, before: str, hard: int = 0, value: str = "correct", keep: float = 1.0
) -> Callable[[SeedRun], Estimate]:
    """Of thinking, between two stages."""
    return lambda run: paired(think(after, hard, value)(run), think(before, hard, value)(run), keep)


Figure = Callable[[SeedRun], Any]

# Name, figure, and the bound that the lower end of its interval must lie above.
SIGNS: list[tuple[str, Figure, float]] = [
    ("RL - cold start", gain("reasoning_rl", "cold_start"), 0),
    ("RL - cold start, language", gain("reasoning_rl", "cold_start", value="language_share"), 0),
    (f"RL - cold start, {BEYOND_COLD_START} steps and more", gain("reasoning_rl", "cold_start", BEYOND_COLD_START), 0),
    ("fusion, modes followed", lambda run: modes(run, "fusion"), 0.95),
    ("fusion - 0.95 RL", gain("fusion", "reasoning_rl", keep=0.95), 0),
    (
        "fusion, think - no_think",
        lambda run: paired(think("fusion")(run), run.means("fusion", "no_think")),
        0,
    ),
    ("fusion, no_think", lambda run: mean(list(run.means("fusion", "no_think").values())), 0.1),
    (
        "fusion, last budget - unlimited",
        lambda run: paired(
            run.means("fusion", f"budget_{run.metrics['fusion']['budget'][-1]['budget']}"),
            run.means("fusion", "think_greedy"),
        ),
        -0.02,
    ),
    ("fusion, least lead over fits-or-chance", lambda run: above_the_line(run, "fusion"), 0),
    ("general RL - fusion, instructions", more_instructions, 0),
    ("general RL - fusion, thinking", gain("general_rl", "fusion"), -0.03),
    ("student, format", lambda run: mean(list(think("distill", value="formatted")(run).values())), 0.95),
    ("student, modes followed", lambda run: modes(run, "distill"), 0.95),
    ("student, on-policy - off-policy", gain("distill", "distill_offline"), 0),
]

STAGES = ("cold_start", "reasoning_rl", "fusion", "general_rl", "distill_offline", "distill")
TWO_MODES = STAGES[2:]


def figures(runs: Sequence[SeedRun]) -> list[tuple[str, Figure]]:
    """What is shown without a bound."""
    rows: list[tuple[str, Figure]] = []
    for part, stages in (("think", STAGES), ("no_think", TWO_MODES)):
        for stage in stages:
            rows.append((f"{stage}, {part}", lambda run, s=stage, p=part: mean(list(run.means(s, p).values()))))
    for stage in STAGES[:2]:
        rows.append((f"{stage}, language", lambda run, s=stage: f"{run.metrics[s]['think']['language']:.3f}"))
    for key, name in (("mode_following", "modes"), ("instruction_following", "instructions")):
        for stage in TWO_MODES:
            rows.append((f"{stage}, {name}", lambda run, s=stage, k=key: f"{run.metrics[s][k]:.3f}"))
    for stage in TWO_MODES:
        rows.append((f"{stage}, ThinkFollow", lambda run, s=stage: f"{run.metrics[s]['think_follow']['share']:.3f}"))
    for index, point in enumerate(runs[0].metrics["fusion"].get("budget", ())):
        rows.append((f"fusion, budget {point['budget']} (fits or chance)", lambda run, i=index: at_budget(run, i)))
    rows.append(("stages that hit a cap", capped))
    rows.append(("seconds", lambda run: f"{run.ledger['wall_seconds']:.0f}"))
    return rows


def at_budget(run: SeedRun, index: int) -> str:
    point = run.metrics["fusion"]["budget"][index]
    return f"{point['accuracy']:.3f} ({point['fits_or_chance']:.3f})"


def capped(run: SeedRun) -> str:
    return ", ".join(name for name, metrics in run.metrics.items() if metrics.get("capped")) or "none"


def table(seeds: Sequence[int], runs: Sequence[SeedRun]) -> str:
    rows = []
    for name, figure in figures(runs):
        rows.append([name, *(said(figure, run) for run in runs), ""])
    for name, figure, bound in SIGNS:
        values = [measured(figure, run) for run in runs]
        known = [value for value in values if value is not None]
        good = sum(value.low > bound for value in known)
        cells = ["" if value is None else str(value) for value in values]
        rows.append([f"{name} > {bound:g}", *cells, f"{good}/{len(known)}" if known else ""])
    hit = sum(capped(run) != "none" for run in runs)
    head = ["", *(f"seed {seed}" for seed in seeds), "signs"]
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{text}\n\n{hit} of {len(runs)} seeds hit a cap."


def measured(figure: Figure, run: SeedRun) -> Any:
    """None where the run has not come that far, or has no such problems."""
    try:
        return figure(run)
    except (KeyError, IndexError, FileNotFoundError, ZeroDivisionError):
        return None


def said(figure: Figure, run: SeedRun) -> str:
    value = measured(figure, run)
    return "" if value is None else str(value)


def run_seed(seed: int, overrides: Sequence[str]) -> Path:
    """Run one seed to its end; returns its folder."""
    root = next((item.split("=", 1)[1] for item in overrides if item.startswith("runs_dir=")), "runs")
    subprocess.run([sys.executable, "-m", "pipeline", "run", f"seed={seed}", *overrides], check=True, stdout=sys.stderr)
    folders = [path.parent for path in Path(root).glob(f"*-s{seed}/ledger.json")]
    return max(folders, key=lambda folder: (folder / "ledger.json").stat().st_mtime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="+")
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    seeds, overrides = parser.parse_args(arguments[:cut]).seeds, arguments[cut + 1 :]
    runs = [SeedRun(run_seed(seed, overrides)) for seed in seeds]
    sys.stdout.write(table(seeds, runs) + "\n")


if __name__ == "__main__":
    main()
