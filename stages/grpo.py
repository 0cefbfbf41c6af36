"""GRPO: reasoning RL and general RL. Which of them is a matter of prompts and rewards, hence of the recipe.

The engine is TRL's ``GRPOTrainer``; rollouts come from our generation loop through its ``rollout_func``, rewards from
``pipeline.rewards`` as the recipe composes them. Any other TRL setting is reached by its TRL name.
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
    rewards: dict[str, Any] = field(default_factory=dict)
    """By name: weight, gate, modes. See pipeline.rewards.compose."""
    batch_size: int = 128
    """Completions of one step: prompts x num_generations."""
    num_generations: int = 8
    max_steps: int = 100
    """The cap; the rate falls linearly towards it."""
    stop_at: dict[str, float] = field(default_factory=dict)
    """Ends the training when the mean of each named reward over the last ``stop_window`` steps is reached."""
    stop_window: int = 10
    temperature: float = 1.0
    max_completion_length: int = 64
    thinking_budget: int | None = None
    """Longest thought of a rollout, in tokens. Forced tokens stay out of the loss."""
    stop_sentence: dict[str, str] = field(default_factory=lambda: {"en": "", "zh": ""})
    beta: float = 0.0
    """Weight of the KL term."""
    adam_beta2: float = 0.999
    family: str = "walk"
    family_options: dict[str, Any] = field(default_factory=dict)
    difficulty: list[int] = field(default_factory=lambda: [1, 9])
    mix: PromptMix = field(default_factory=PromptMix)
    logging_steps: int = no_result(1)


MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"model": Input("model"), "problems": Input("data", required=False)},
    trl_config="grpo_config.GRPOConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.training.grpo import reinforce

    return reinforce(settings, request, tracker)
