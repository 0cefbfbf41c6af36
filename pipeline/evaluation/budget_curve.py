"""Accuracy against the thinking budget, at about the cost of one evaluation.

Each problem is thought about once, without a limit. For each budget the same thought is cut there, the stop sentence
and ``</think>`` are put after it, and only the answer is generated anew: token for token what decoding under that
budget gives, greedy or sampled, as a thought does not know its budget.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.evaluation.figures import mean, wilson
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.cut import answer_from, cut_thought
from pipeline.generation.sampling import GREEDY, Sampling


def answer_within(
    completer: Completer, unlimited: Sequence[Judged], budget: int, sampling: Sampling = GREEDY
) -> list[Judged]:
    """The completions under ``budget``: those whose thought fits as they are, the others cut there and answered.

    ``sampling``: what ``unlimited`` was made with.
    """
    cuts = {row: cut for row, item in enumerate(unlimited) if (cut := cut_thought(item, budget, completer.think))}
    answered = dict(zip(cuts, answer_from(completer, list(cuts.values()), sampling), strict=True))
    return [answered.get(row, item) for row, item in enumerate(unlimited)]


def budget_point(
    budget: int, judged: Sequence[Judged], unlimited: Sequence[Judged], chance: float | None
) -> dict[str, Any]:
    """One point of the curve.

    ``fits_or_chance``: what a model would score that answers as with unlimited thinking where its thought fits the
    budget, and guesses where it does not. A curve above it uses thoughts that were cut.
    """
    right = [item.correct for item in judged]
    point: dict[str, Any] = {
        "budget": budget,
        "accuracy": mean(right),
        "ci95": wilson(sum(right), len(right)),
        "n": len(right),
        "mean_thinking_tokens": mean([item.thinking_tokens for item in judged]),
        "forced": mean([item.rollout.cut for item in judged]),
    }
    if chance is not None:
        point["fits_or_chance"] = mean(
            [chance if cut.rollout.cut else float(free.correct) for cut, free in zip(judged, unlimited, strict=True)]
        )
    return point
