"""Plots of a run, as PNG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def plot_budget_curves(curves: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Accuracy against the thinking budget of each model, with intervals, fits-or-chance lines and no_think levels.

    Args:
        curves: stage name -> its ledger metrics, with ``budget`` and, where there is one, ``no_think``.
    """
    figure, axis = plt.subplots(figsize=(7.5, 4.5), dpi=120)
    for index, (name, metrics) in enumerate(curves.items()):
        colour, points = f"C{index}", metrics["budget"]
        budgets = [point["budget"] for point in points]
        accuracy = [point["accuracy"] for point in points]
        below = [max(0.0, point["accuracy"] - point["ci95"][0]) for point in points]
        above = [max(0.0, point["ci95"][1] - point["accuracy"]) for point in points]
        axis.errorbar(budgets, accuracy, [below, above], color=colour, marker="o", markersize=4, capsize=2, label=name)
        if all("fits_or_chance" in point for point in points):
            label = "thought fits, or chance" if index == 0 else None
            axis.plot(budgets, [p["fits_or_chance"] for p in points], color=colour, linestyle=":", label=label)
        if "no_think" in metrics:
            label = "no_think" if index == 0 else None
            axis.axhline(metrics["no_think"]["accuracy"], color=colour, linestyle="--", linewidth=0.8, label=label)
    axis.set_xlabel("thinking budget (tokens)")
    axis.set_ylabel("accuracy (greedy, 95% interval)")
    axis.set_ylim(0, 1.02)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def plot_reward_curves(stage: str, history: list[dict[str, Any]], path: Path) -> None:
    """Reward components, completion length and entropy over the steps of an RL stage."""
    rows = [row for row in history if "reward" in row]
    names = sorted(key.split("/")[1] for key in rows[-1] if key.startswith("rewards/") and key.endswith("/mean"))
    steps = [row["step"] for row in rows]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), dpi=110)
    for name in names:
        axes[0].plot(steps, [row.get(f"rewards/{name}/mean") for row in rows], label=name)
    axes[0].legend(fontsize=8)
    axes[0].set_title(f"{stage}: rewards")
    axes[0].set_ylim(0, 1.02)
    axes[1].plot(steps, [row.get("completions/mean_length") for row in rows])
    axes[1].set_title("completion length (tokens)")
    axes[2].plot(steps, [row.get("entropy") for row in rows])
    axes[2].set_title("entropy (nats)")
    for axis in axes:
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
