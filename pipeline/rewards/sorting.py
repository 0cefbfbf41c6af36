"""The two rewards of the CS336 lectures' toy problem, for family ``sorting``; shares of their maxima, so 0 to 1.

Both pay for parts of an answer, and the second one has a hole on purpose: [0, 2, 4, 6] for [4, 2, 4, 4] earns all of
it while one position is right. What RL does with such a hole is the lesson.
"""

from collections.abc import Sequence
from itertools import pairwise

from pipeline.chat.parse import Completion
from pipeline.problems.prompts import Prompt
from pipeline.problems.sorting import Sorting, read_digits


def distance_points(given: Sequence[int], response: Sequence[int]) -> int:
    """Positions at which the response equals the sorted list; 0 to ``len(given)``."""
    return sum(right == answer for right, answer in zip(sorted(given), response, strict=False))


def inclusion_ordering_points(given: Sequence[int], response: Sequence[int]) -> int:
    """Elements of the list that occur in the response, plus its adjacent pairs in order; 0 to ``2 len(given) - 1``
    for a response of the right length."""
    included = sum(item in response for item in given)
    ordered = sum(first <= second for first, second in pairwise(response))
    return included + ordered


def sorting_distance(completion: Completion, prompt: Prompt) -> float | None:
    """Share of positions that are right; does not apply to other families."""
    lists = _lists(completion, prompt)
    if lists is None:
        return None
    given, response = lists
    return distance_points(given, response) / len(given) if len(response) == len(given) else 0.0


def sorting_inclusion(completion: Completion, prompt: Prompt) -> float | None:
    """Inclusion and ordering as a share of its maximum; does not apply to other families."""
    lists = _lists(completion, prompt)
    if lists is None:
        return None
    given, response = lists
    return inclusion_ordering_points(given, response) / (2 * len(given) - 1) if len(response) == len(given) else 0.0


def _lists(completion: Completion, prompt: Prompt) -> tuple[list[int], list[int]] | None:
    """The list asked about (in any order) and the one answered (empty when it is none); None for other families."""
    if prompt.problem.family != Sorting.name:
        return None
    given = read_digits(prompt.problem.answer)
    assert given is not None, "gold answers are made by the family"
    return given, read_digits(completion.boxed or "") or []
