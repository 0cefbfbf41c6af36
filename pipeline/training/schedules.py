"""Learning-rate multipliers that follow gates instead of a fixed number of steps.

They are objects, not functions, so that ``LambdaLR`` saves what they know with a checkpoint.
"""

from dataclasses import dataclass


@dataclass
class HoldThenDecay:
    """Warm up, hold until told to decay, then fall linearly to ``floor`` over ``decay_steps``."""

    warmup_steps: int
    decay_steps: int
    floor: float = 0.05
    decay_from: int | None = None
    """The step at which the gate was passed; None until then."""

    def __call__(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.decay_from is None:
            return warm
        left = 1 - (step - self.decay_from) / max(1, self.decay_steps)
        return warm * max(self.floor, left)

    @property
    def end(self) -> int | None:
        """The last step, once it is known."""
        return None if self.decay_from is None else self.decay_from + self.decay_steps


@dataclass
class Rounds:
    """Linear decay to zero over each round of steps, again from the top in the next: [0, 1) within each."""

    ends: list[int]
    """The step after each round's last, ascending."""
    warmup_steps: int = 0

    def __call__(self, step: int) -> float:
        start = 0
        for end in self.ends:
            if step < end:
                warm = min(1.0, (step + 1) / max(1, self.warmup_steps)) if start == 0 else 1.0
                return warm * (1 - (step - start) / (end - start))
            start = end
        return 0.0
