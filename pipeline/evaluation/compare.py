"""Do two models differ? Paired by problem: both answered the same ones, so what they share cancels.

The interval is a bootstrap over problems (Efron 1979); for one sample of each problem, McNemar's exact test beside it
(McNemar 1947): of the problems on which the two disagree, are those that one gained more than chance would give?
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 10_000
SEED = 0


@dataclass(frozen=True)
class Comparison:
    """``after`` against ``before``; ``p`` is None where problems have several samples."""

    n: int
    before: float
    after: float
    difference: float
    ci95: list[float]
    p: float | None
    gained: list[str]
    lost: list[str]

    @property
    def significant(self) -> bool:
        return self.ci95[0] > 0 or self.ci95[1] < 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "significant": self.significant}


def compare(before: Mapping[str, Sequence[bool]], after: Mapping[str, Sequence[bool]]) -> Comparison | None:
    """Compare two models.

    Args:
        before, after: problem -> whether each of its samples is right.

    Returns:
        None when fewer than two problems were answered by both.
    """
    shared = [problem for problem in before if problem in after]
    if len(shared) < 2:
        return None
    old, new = (np.array([np.mean(side[problem]) for problem in shared]) for side in (before, after))
    gaps = new - old
    single = all(len(side[problem]) == 1 for side in (before, after) for problem in shared)
    gained = [problem for problem, gap in zip(shared, gaps, strict=True) if gap > 0]
    lost = [problem for problem, gap in zip(shared, gaps, strict=True) if gap < 0]
    return Comparison(
        n=len(shared),
        before=float(old.mean()),
        after=float(new.mean()),
        difference=float(gaps.mean()),
        ci95=bootstrap(gaps),
        p=mcnemar(len(gained), len(lost)) if single else None,
        gained=gained,
        lost=lost,
    )


def bootstrap(values: np.ndarray) -> list[float]:
    """95% percentile interval of the mean of ``values`` (N,), from resampling them. The seed is fixed."""
    rng = np.random.default_rng(SEED)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    return [float(edge) for edge in np.quantile(means, [0.025, 0.975])]


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p: the chance that ``gained + lost`` fair coins fall at least as unevenly."""
    total, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    return min(1.0, 2 * tail / 2**total)
