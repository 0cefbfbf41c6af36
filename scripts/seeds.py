"""Repeat a recipe on several seeds and print the table of what each stage gained, seed by seed.

    python scripts/seeds.py 1 2 3 4 5 -- scale=tiny

Everything after ``--`` goes to every run. Runs that are complete are only read. Differences between stages are paired
by problem, with 95% intervals over problems; ``signs`` counts the seeds whose interval lies on the right side.
"""

import argparse
import json
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Z95 = 1.959964
Means = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="+")
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    seeds, overrides = parser.parse_args(arguments[:cut]).seeds, arguments[cut + 1 :]
    runs = [run(seed, overrides) for seed in seeds]
    sys.stdout.write(table(seeds, runs) + "\n")


def run(seed: int, overrides: Sequence[str]) -> Path:
    """Run one seed to its end; returns its folder."""
    root = next((item.split("=", 1)[1] for item in overrides if item.startswith("runs_dir=")), "runs")
    subprocess.run([sys.executable, "-m", "pipeline", "run", f"seed={seed}", *overrides], check=True, stdout=sys.stderr)
    folders = [path.parent for path in Path(root).glob(f"*-s{seed}/ledger.json")]
    return max(folders, key=lambda folder: (folder / "ledger.json").stat().st_mtime)


def stage_metrics(folder: Path) -> dict[str, dict[str, Any]]:
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    return {stage["name"]: stage["metrics"] for stage in ledger["stages"]} | {"": ledger}


def problem_means(folder: Path, stage: str, part: str, value: str = "correct", hard: int = 0) -> Means:
    """Question -> mean over its samples, of problems of at least ``hard`` steps."""
    samples: dict[str, list[float]] = defaultdict(list)
    path = folder / f"{stage}_eval" / "results" / "completions.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["part"] == part and row["difficulty"] >= hard:
            question = row["prompt"][-1]["content"].removesuffix(" /think").removesuffix(" /no_think")
            samples[question].append(float(row[value] or 0))
    return {question: sum(values) / len(values) for question, values in samples.items()}


def difference(after: Means, before: Means) -> tuple[float, float]:
    """Mean of the paired differences, and half of its 95% interval."""
    gaps = [after[question] - before[question] for question in after]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1))
    return mean, Z95 * deviation / math.sqrt(len(gaps))


def table(seeds: Sequence[int], folders: Sequence[Path]) -> str:
    metrics = [stage_metrics(folder) for folder in folders]
    rows: list[list[str]] = []

    def figure(name: str, value: Callable[[dict[str, dict[str, Any]]], str]) -> None:
        rows.append([name, *(value(item) for item in metrics), ""])

    def paired(name: str, better: float, after: tuple[Any, ...], before: tuple[Any, ...]) -> None:
        """``better``: the difference that the interval must lie above."""
        gaps = [difference(problem_means(f, *after), problem_means(f, *before)) for f in folders]
        good = sum(mean - half > better for mean, half in gaps)
        rows.append([name, *(f"{mean:+.3f} ± {half:.3f}" for mean, half in gaps), f"{good}/{len(gaps)}"])

    for stage in ("cold_start", "reasoning_rl", "fusion", "general_rl", "distill_offline", "distill"):
        figure(f"{stage}, think", lambda item, stage=stage: share(item[stage]["think"]))  # type: ignore[misc]
    for stage in ("cold_start", "reasoning_rl"):
        figure(f"{stage}, language", lambda item, stage=stage: f"{item[stage]['think']['language']:.3f}")  # type: ignore[misc]
    for stage in ("fusion", "general_rl", "distill"):
        figure(f"{stage}, no_think", lambda item, stage=stage: share(item[stage]["no_think"]))  # type: ignore[misc]
    for stage in ("fusion", "general_rl", "distill_offline", "distill"):
        figure(f"{stage}, modes", lambda item, stage=stage: f"{item[stage]['mode_following']:.3f}")  # type: ignore[misc]
        figure(
            f"{stage}, instructions",
            lambda item, stage=stage: f"{item[stage]['instruction_following']:.3f}",  # type: ignore[misc]
        )
    for index, point in enumerate(metrics[0]["fusion"]["budget"]):
        figure(
            f"fusion, budget {point['budget']} (fits or chance)",
            lambda item, index=index: curve(item["fusion"]["budget"][index]),  # type: ignore[misc]
        )
    rl, cold = ("reasoning_rl", "think"), ("cold_start", "think")
    paired("RL - cold start", 0, rl, cold)
    paired("RL - cold start, language", 0, (*rl, "language_share"), (*cold, "language_share"))
    paired("RL - cold start, 9 steps and more", 0, (*rl, "correct", 9), (*cold, "correct", 9))
    paired("fusion - RL", -0.05, ("fusion", "think"), rl)
    paired("fusion, think - no_think", 0, ("fusion", "think"), ("fusion", "no_think"))
    paired("general RL - fusion", -0.03, ("general_rl", "think"), ("fusion", "think"))
    paired("on-policy - off-policy", 0, ("distill", "think"), ("distill_offline", "think"))
    figure("gates that hit their cap", lambda item: ", ".join(n for n, m in item.items() if m.get("capped")) or "none")
    figure("seconds", lambda item: f"{item['']['wall_seconds']:.0f}")

    head = ["", *(f"seed {seed}" for seed in seeds), "signs"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(figures: Mapping[str, Any]) -> str:
    low, high = figures["ci95"]
    return f"{figures['accuracy']:.3f} ± {(high - low) / 2:.3f}"


def curve(point: Mapping[str, Any]) -> str:
    return f"{point['accuracy']:.3f} ({point['fits_or_chance']:.3f})"


if __name__ == "__main__":
    main()
