"""On-policy distillation: the student samples in both modes, and matches the teacher's logits on its own samples.

Qwen3 report, section 4.5, second phase. The engine is TRL's ``DistillationTrainer`` (reverse KL at ``beta: 1``); its
sampling is replaced by our loop, so that each row has its own random stream and a resumed run gives the same tokens.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.prompts import PromptMix
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from pipeline.training.settings import TrainerSettings, no_result


@dataclass
class Settings(TrainerSettings):
    batch_size: int = 128
    max_steps: int = 60
    beta: float = 1.0
    """Of the generalised Jensen-Shannon divergence: 1 is reverse KL, 0 forward KL."""
    temperature: float = 1.0
    max_completion_length: int = 64
    family: str = "walk"
    family_options: dict[str, Any] = field(default_factory=dict)
    difficulty: list[int] = field(default_factory=lambda: [1, 10])
    """Within what the teacher was trained on: beyond it, reverse KL keeps the student's loops."""
    mix: PromptMix = field(default_factory=lambda: PromptMix(no_think=0.5, flagged=1.0))
    logging_steps: int = no_result(1)


MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"student": Input("model"), "teacher": Input("model")},
    trl_config="distillation_config.DistillationConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.training.distillation import distil

    return distil(settings, request, tracker)
