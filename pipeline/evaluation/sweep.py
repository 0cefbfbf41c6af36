"""A budget sweep of one model: every budget, no thought at all and no limit, at about the cost of the unlimited one.

What a point says is the ledger's ``budget`` entry with more beside it: pass@k, tokens, by difficulty and by language.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from pipeline.errors import ColdstartError
from pipeline.evaluation.budget_curve import answer_within, budget_point
from pipeline.evaluation.figures import mean, summarise
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.sampling import Sampling
from pipeline.problems.prompts import Prompt
from pipeline.tracking import Progress

Budget = int | Literal["no_think", "unlimited"]
AUTO_POINTS = 8
SUFFICIENT = 0.01
"""A budget is sufficient when its accuracy is within this of unlimited thinking's."""


class NoThinkBlock(ColdstartError):
    """The model opened no think block: there is nothing to put a budget on."""


@dataclass(frozen=True)
class Sweep:
    """``points`` in the order no_think, budgets ascending, unlimited; ``judged``: the completions behind each."""

    points: list[dict[str, Any]]
    judged: dict[Budget, list[Judged]]

    @property
    def curve(self) -> list[dict[str, Any]]:
        return [point for point in self.points if isinstance(point["budget"], int)]

    @property
    def unlimited(self) -> dict[str, Any]:
        return self.points[-1]

    @property
    def smallest_sufficient_budget(self) -> int | None:
        enough = self.unlimited["accuracy"] - SUFFICIENT
        return next((point["budget"] for point in self.curve if point["accuracy"] >= enough), None)

    @property
    def area(self) -> float | None:
        """Mean accuracy over the budgets, by the trapezoidal rule; None for fewer than two."""
        curve = self.curve
        if len(curve) < 2:
            return None
        total = sum(
            (after["budget"] - before["budget"]) * (after["accuracy"] + before["accuracy"]) / 2
            for before, after in pairwise(curve)
        )
        return total / (curve[-1]["budget"] - curve[0]["budget"])


def sweep(
    completer: Completer,
    prompts: Sequence[Prompt],
    budgets: Sequence[int] | None,
    sampling: Sampling,
    seed: int,
    k: int = 1,
    chance: float | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Measure a model under each budget.

    Args:
        prompts: without flags; not thinking is asked for by the template (``enable_thinking=False``).
        budgets: in tokens; None for eight of the model's own: 0, and the quantiles of its thoughts' lengths.

    Raises:
        NoThinkBlock: no completion opened one.
    """

    def told(done: int, total: int, note: str) -> None:
        if progress is not None:
            progress(done, total, note)

    told(0, 3, "unlimited")
    free = completer.complete(prompts, sampling, seed, k)
    if not any(item.opened or "<think>" in item.completion.text for item in free):
        raise NoThinkBlock(
            f"none of {len(free)} completions opened a think block, so there is no thought to put a budget on; give a "
            "model that thinks in <think> ... </think> (this one answered: "
            f"{free[0].completion.text[:60]!r})"
        )
    chosen = sorted(set(budgets)) if budgets is not None else auto_budgets([item.thinking_tokens for item in free])
    told(1, len(chosen) + 2, "not thinking")
    silent = completer.complete(prompts, sampling, seed, k, enable_thinking=False)
    judged: dict[Budget, list[Judged]] = {"no_think": silent}
    for index, budget in enumerate(chosen):
        told(index + 2, len(chosen) + 2, f"budget {budget}")
        judged[budget] = answer_within(completer, free, budget, sampling)
    judged["unlimited"] = free
    points = [
        sweep_point(budget, items, free, chance if isinstance(budget, int) else None)
        for budget, items in judged.items()
    ]
    return Sweep(points, judged)


def auto_budgets(lengths: Sequence[int]) -> list[int]:
    """0, and the lengths that 1/8, 2/8, ... 8/8 of the thoughts do not exceed."""
    ordered = sorted(lengths)
    return sorted(
        {0, *(ordered[math.ceil(len(ordered) * part / AUTO_POINTS) - 1] for part in range(1, AUTO_POINTS + 1))}
    )


def sweep_point(
    budget: Budget, judged: Sequence[Judged], free: Sequence[Judged], chance: float | None
) -> dict[str, Any]:
    """One point: ``cut`` and ``ended`` are shares of completions whose thought was stopped, and closed by the model."""
    figures = summarise(judged)
    point = budget_point(0, judged, free, chance) | {"budget": budget, "ci95": figures["ci95"], "n": figures["n"]}
    for name in ("k", "format", "truncated", "by_difficulty", *(("pass_at_k", "maj_at_k") if figures["k"] > 1 else ())):
        point[name] = figures[name]
    for language in sorted({item.prompt.language for item in judged}):
        rows = [item.correct for item in judged if item.prompt.language == language]
        point.setdefault("by_language", {})[language] = mean(rows)
    thinking = [item.thinking_tokens for item in judged]
    total = [len(item.rollout.ids) for item in judged]
    point["ended"] = mean(
        [
            bool(item.completion.thought) and not item.rollout.cut and "</think>" in item.completion.text
            for item in judged
        ]
    )
    point["answer_tokens"] = mean([all_of - thought for all_of, thought in zip(total, thinking, strict=True)])
    point["tokens"] = sum(total)
    return point


def sample_rows(swept: Sweep) -> list[dict[str, Any]]:
    """One row for each problem, budget and sample."""
    rows = []
    for budget, judged in swept.judged.items():
        for index, item in enumerate(judged):
            rows.append(
                {
                    "problem": index // swept.unlimited["k"],
                    "sample": item.sample,
                    "budget": budget,
                    "prompt": item.prompt.messages[-1]["content"],
                    "language": item.prompt.language,
                    "difficulty": item.prompt.problem.difficulty,
                    "gold": item.prompt.problem.answer,
                    "thought": item.completion.thought,
                    "cut": item.rollout.cut,
                    "answer": item.completion.boxed,
                    "correct": item.correct,
                    "fault": item.completion.fault,
                    "thinking_tokens": item.thinking_tokens,
                    "completion": item.completion.text,
                }
            )
    return rows


def summary(swept: Sweep, model: str, problems: str) -> Mapping[str, Any]:
    """``budget.json``."""
    return {
        "model": model,
        "problems": problems,
        "n": swept.unlimited["n"],
        "k": swept.unlimited["k"],
        "points": swept.points,
        "smallest_sufficient_budget": swept.smallest_sufficient_budget,
        "area": swept.area,
    }
