"""Accuracy against the thinking budget, at about the cost of one evaluation.

Each problem is thought about once, greedily and without a limit. For each budget the same thought is cut there, the
stop sentence and ``</think>`` are put after it, and only the answer is generated anew: token for token what greedy
decoding under that budget gives, as a greedy thought does not know its budget.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.evaluation.figures import mean, wilson
from pipeline.generation.budget import thought_span
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.loop import Rollout, generate
from pipeline.generation.sampling import GREEDY


def answer_within(completer: Completer, unlimited: Sequence[Judged], budget: int) -> list[Judged]:
    """The completions under ``budget``: those whose thought fits as they are, the others cut there and answered."""
    tokenizer, think = completer.tokenizer, completer.think
    result = list(unlimited)
    cuts: list[tuple[int, list[int], list[int]]] = []  # row, kept ids, forced ids
    for row, item in enumerate(unlimited):
        span = thought_span(item.rollout.ids, think)
        if span is not None and span[1] - span[0] > budget:
            start = span[0]
            cuts.append((row, item.rollout.ids[: start + budget], think.forced(item.prompt.language, budget)))
    answers = generate(
        completer.model,
        [[*unlimited[row].prefix, *kept, *forced] for row, kept, forced in cuts],
        GREEDY,
        completer.max_new_tokens,
        [tokenizer.eos_token_id],
    )
    for (row, kept, forced), answer in zip(cuts, answers, strict=True):
        rollout = Rollout(
            [*kept, *forced, *answer.ids],
            [False] * len(kept) + [True] * len(forced) + [False] * len(answer.ids),
            answer.ended,
        )
        item = unlimited[row]
        judged = completer.judge(item.prompt, item.sample, item.prefix, "", rollout)
        result[row] = replace(judged, thinking_tokens=budget)
    return result


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
