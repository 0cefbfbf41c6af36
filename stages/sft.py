"""Supervised fine-tuning on rows of (prompt, completion): cold start, fusion, off-policy distillation.

The engine is TRL's ``SFTTrainer`` on rows that ``pipeline.chat.encode`` turned into ids and a loss mask. Training goes
in rounds of epochs; with a gate, it ends after the first round that passes it on held-out problems.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from pipeline.training.settings import GateSettings, TrainerSettings


@dataclass
class Settings(TrainerSettings):
    rounds: list[int] = field(default_factory=lambda: [3])
    """Epochs of each round; the rate falls linearly over each. Without a gate all of them are run. With TRL's
    ``lr_scheduler_type`` the rate follows that one instead, over all rounds."""
    gate: GateSettings = field(default_factory=GateSettings)
    max_length: int | None = None
    """Longer rows are left out and counted: cutting one would cut its answer."""


MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"model": Input("model"), "data": Input("data")},
    trl_config="sft_config.SFTConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.training.sft import finetune

    return finetune(settings, request, tracker)
