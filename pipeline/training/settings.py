"""Settings that training mechanisms share. Apart from the training, so that reading a recipe imports no engine."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.prompts import PromptMix
from pipeline.problems.settings import ProblemSettings


def no_result(default: Any) -> Any:
    """A setting that changes no result, and so stays out of the fingerprint."""
    return field(default=default, metadata={"result": False})


@dataclass
class TrainerSettings:
    """What every training mechanism shares. ``batch_size`` is global: rows (or completions) of one optimizer step."""

    learning_rate: float = 2e-5
    batch_size: int = 16
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    bf16: bool = False
    gradient_checkpointing: bool = no_result(False)
    micro_batch_size: int | None = no_result(None)
    """Rows of one forward pass; the whole batch when null. A fact of the launch."""
    save_steps: int = no_result(100)
    keep_checkpoints: bool = no_result(False)
    logging_steps: int = no_result(10)
    trl: dict[str, Any] = field(default_factory=dict)
    """Any other setting of the TRL config. Written flat, as ``stages.<name>.<key>``; gathered here."""


@dataclass
class GateSettings(ProblemSettings):
    """A check on held-out (validation) problems that ends a training. No thresholds, no gate.

    The figures that ``thresholds`` may name: ``think_accuracy``, ``think_format``, ``think_mode``, and the same of
    ``no_think`` where the mix asks for it. Format and mode count a completion that breaks the format as a miss.
    """

    thresholds: dict[str, float] = field(default_factory=dict)
    problems: int = 96
    mix: PromptMix = field(default_factory=PromptMix)
    temperature: float = 0.6
    max_new_tokens: int = 64
