"""Labels that tell a small model which item of a question is which.

A window of the alphabet that starts anywhere: every label is met equally often at every length, which is what lets a
model made from nothing learn to fetch the next item (labels that always start at ``a`` leave the late ones unlearned).
There are more labels than the longest problem has items, so that a window never wraps onto itself.
"""

from random import Random

LABELS = "abcdefghijklmnopqrstuvwxyz"


def draw_labels(rng: Random, count: int) -> list[str]:
    """``count`` labels in a row, at most 26. All randomness from ``rng``."""
    if count > len(LABELS):
        raise ValueError(f"{count} items need more labels than there are ({len(LABELS)})")
    first = rng.randrange(len(LABELS))
    return [LABELS[(first + index) % len(LABELS)] for index in range(count)]
