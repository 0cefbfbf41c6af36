"""The one exception that is meant for people: what was wrong, where, and what to do about it."""

import difflib
from collections.abc import Iterable


class ColdstartError(Exception):
    """A mistake in the settings, the data or the run folder. The command prints its text and exits with status 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that ends an error message: the nearest valid name, or all of them when none is near."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "valid: " + ", ".join(names) if names else "nothing is valid here"
