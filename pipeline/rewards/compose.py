"""Composition of rewards, as a recipe writes it: weight, gate, and which modes a component is for.

accuracy: {weight: 3, gate: [format]}
language: {weight: 1, modes: [think]}
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.chat.parse import Completion
from pipeline.errors import ColdstartError, nearest
from pipeline.problems.prompts import Prompt
from pipeline.rewards.functions import REWARDS

logger = logging.getLogger(__name__)


@dataclass
class Component:
    """One reward in a sum. ``gate``: rewards that must be 1 for this one to pay; ``modes``: null for both."""

    name: str
    weight: float = 1.0
    gate: list[str] = field(default_factory=list)
    modes: list[str] | None = None


@dataclass
class Composition:
    """The components of a stage. ``errors`` counts, by component, the samples that an exception cost."""

    components: list[Component]
    errors: Counter[str] = field(default_factory=Counter)

    def score(self, component: Component, completion: Completion, prompt: Prompt) -> float | None:
        """One component's reward, without its weight; None when it does not apply, or when it raised."""
        if component.modes is not None and prompt.mode not in component.modes:
            return None
        try:
            value = REWARDS[component.name](completion, prompt)
            if value and any(REWARDS[gate](completion, prompt) != 1 for gate in component.gate):
                return 0.0
            return value
        except Exception:
            if not self.errors[component.name]:
                logger.exception("reward %s raised; the sample is left out (said once)", component.name)
            self.errors[component.name] += 1
            return None


def compose(settings: Mapping[str, Mapping[str, Any]], where: str) -> Composition:
    """Read a composition. Raises ColdstartError for an unknown reward, gate or key, with the nearest valid one."""
    if not settings:
        raise ColdstartError(f"{where}: no rewards; give at least one of {', '.join(sorted(REWARDS))}")
    components = []
    known = [name for name in Component.__dataclass_fields__ if name != "name"]
    for name, entry in settings.items():
        for key in entry:
            if key not in known:
                raise ColdstartError(f"{where}.{name}: unknown key {key!r}; {nearest(key, known)}")
        for reward in (name, *entry.get("gate", [])):
            if reward not in REWARDS:
                raise ColdstartError(f"{where}: unknown reward {reward!r}; {nearest(reward, REWARDS)}")
        components.append(Component(name, **entry))
    return Composition(components)
