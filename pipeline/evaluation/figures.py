"""Figures over judged completions: accuracy with its interval, pass@k, maj@k, calibration. Plain functions of rows."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.chat.modes import MODES
from pipeline.generation.complete import Judged
from pipeline.problems import LANGUAGES
from pipeline.problems.instructions import INSTRUCTIONS

Z95 = 1.959964


def wilson(successes: float, n: int) -> list[float]:
    """95% interval of a share from ``n`` independent trials (Wilson 1927); stays inside [0, 1]."""
    if n == 0:
        return [0.0, 1.0]
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return [max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))]


def clustered(means: Sequence[float]) -> list[float]:
    """95% interval of the mean over problems, each with the mean of its samples: problems are what is independent."""
    n = len(means)
    mean = sum(means) / n
    if n < 2 or all(value == means[0] for value in means):
        return wilson(mean * n, n)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in means) / (n - 1))
    half = Z95 * deviation / math.sqrt(n)
    return [max(0.0, mean - half), min(1.0, mean + half)]


def by_problem(judged: Sequence[Judged]) -> list[list[Judged]]:
    """The samples of each prompt; they come prompt by prompt, numbered from 0 (``Completer.complete``)."""
    groups: list[list[Judged]] = []
    for item in judged:
        if item.sample == 0:
            groups.append([])
        groups[-1].append(item)
    return groups


def majority(samples: Sequence[Judged]) -> tuple[str | None, float]:
    """The most common answer among the samples (the first met on a tie) and its share; answers that are none count."""
    counts = Counter(item.completion.boxed if item.formatted else None for item in samples)
    answer, count = counts.most_common(1)[0]
    return answer, count / len(samples)


def calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean of |accuracy - confidence| over equal-width bins, weighted by their size."""
    total = 0.0
    for index in range(bins):
        rows = [row for row, value in enumerate(confidence) if index / bins < value <= (index + 1) / bins]
        if rows:
            gap = sum(correct[row] for row in rows) - sum(confidence[row] for row in rows)
            total += abs(gap)
    return total / max(1, len(confidence))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def summarise(judged: Sequence[Judged], greedy_accuracy: float | None = None) -> dict[str, Any]:
    """The figures of one mode: pass@1 over k samples with its clustered interval, and what came with it."""
    groups = by_problem(judged)
    k = len(groups[0])
    shares = [mean([item.correct for item in group]) for group in groups]
    votes = [majority(group) for group in groups]
    voted = [
        any(item.correct for item in group if item.completion.boxed == vote[0])
        for group, vote in zip(groups, votes, strict=True)
    ]
    languages = [item.language for item in judged if item.language is not None]
    figures: dict[str, Any] = {
        "accuracy": mean(shares),
        "ci95": clustered(shares) if k > 1 else wilson(sum(shares), len(shares)),
        "n": len(groups),
        "k": k,
        "pass_at_k": mean([any(item.correct for item in group) for group in groups]),
        "maj_at_k": mean(voted),
        "format": mean([item.formatted for item in judged]),
        "mean_thinking_tokens": mean([item.thinking_tokens for item in judged]),
        "truncated": mean([not item.rollout.ended for item in judged]),
        "by_difficulty": {
            str(level): mean(values) for level, values in sorted(_split(groups, shares, "difficulty").items())
        },
    }
    by_family = _split(groups, shares, "family")
    if len(by_family) > 1:
        figures["by_family"] = {name: mean(values) for name, values in by_family.items()}
    if languages:
        figures["language"] = mean(languages)
    if greedy_accuracy is not None:
        figures["greedy"] = greedy_accuracy
    if k > 1:
        figures["calibration_error"] = calibration_error([share for _, share in votes], voted)
    return figures


def _split(groups: Sequence[Sequence[Judged]], shares: Sequence[float], key: str) -> dict[Any, list[float]]:
    """The problems' shares by an attribute of the problem."""
    found: dict[Any, list[float]] = {}
    for group, share in zip(groups, shares, strict=True):
        found.setdefault(getattr(group[0].prompt.problem, key), []).append(share)
    return found


def instruction_shares(judged: Sequence[Judged]) -> dict[str, float]:
    """Share that followed: by kind (alone or in a pair), then alone and in pairs, by language and by mode."""
    groups: dict[str, list[bool]] = {name: [] for name in (*INSTRUCTIONS, "alone", "in_pairs", *LANGUAGES, *MODES)}
    for item in judged:
        prompt = item.prompt
        number = "alone" if len(prompt.instructions) == 1 else "in_pairs"
        for name in (*prompt.instructions, number, prompt.language, prompt.mode):
            groups[name].append(item.instruction_followed)
    return {name: mean(values) for name, values in groups.items() if values}
