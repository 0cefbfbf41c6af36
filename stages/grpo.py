"""GRPO: reasoning RL and general RL. Which of them is a matter of prompts and rewards, hence of the recipe.

The engine is TRL's ``GRPOTrainer``; rollouts come from our generation loop through its ``rollout_func``, rewards from
``pipeline.rewards`` as the recipe composes them. Any other TRL setting is reached by its TRL name.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import nearest
from pipeline.problems.prompts import PromptMix
from pipeline.problems.settings import PROBLEM_FILES, ProblemSettings
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.settings import TrainerSettings, no_result


@dataclass
class Settings(TrainerSettings, ProblemSettings):
    algorithm: str = "grpo"
    """A preset of TRL settings: grpo, dr_grpo, dapo or gspo (pipeline.training.algorithms)."""
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
    difficulty: list[int] = field(default_factory=lambda: [1, 9])
    mix: PromptMix = field(default_factory=PromptMix)
    logging_steps: int = no_result(1)

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm: {self.algorithm!r} is none; {nearest(self.algorithm, ALGORITHMS)}")
        if self.batch_size % self.num_generations:
            raise ValueError(
                f"batch_size {self.batch_size} completions do not make whole groups of num_generations "
                f"{self.num_generations}"
            )
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; RL samples, so it is above 0")


MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"model": Input("model"), "problems": Input("data", required=False)},
    reads=PROBLEM_FILES,
    trl_config="grpo_config.GRPOConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the model; returns its metrics. Raises ColdstartError for rewards that are not there."""
    import json

    from datasets import Dataset
    from trl import GRPOConfig

    from pipeline.artifacts.rows import read_rows
    from pipeline.chat.encode import render_prompt
    from pipeline.models import load_model, save_model
    from pipeline.problems import Problem, make_family
    from pipeline.rewards.compose import compose
    from pipeline.training.arguments import trainer_arguments
    from pipeline.training.callbacks import StopAtReward, TrackerCallback
    from pipeline.training.checkpoints import train
    from pipeline.training.data import draw_prompts, repeat_problems
    from pipeline.training.grpo import (
        RolloutGRPOTrainer,
        curve_metrics,
        last_samples,
        reward_function,
        rollout_function,
    )

    model, tokenizer = load_model(request.input("model"))
    composition = compose(settings.rewards, f"stages.{request.stage}.rewards")
    # Exactly as many prompts as the steps have groups: a second epoch inside TRL's sampler would come in another order
    # after a resume.
    count = settings.max_steps * settings.batch_size // settings.num_generations
    if "problems" in request.inputs:
        family = make_family(settings.family, settings.family_options)
        problems = [Problem.from_row(row["problem"]) for row in read_rows(request.input("problems"))]
        prompts = repeat_problems(family, problems, count, settings.mix, request.seed)
    else:
        prompts = draw_prompts(settings, settings.mix, count, request.seed)
    data = Dataset.from_list(
        [
            {"prompt": render_prompt(tokenizer, prompt.messages), "row": json.dumps(prompt.as_row())}
            for prompt in prompts
        ]
    )
    trainer = RolloutGRPOTrainer(
        model=model,
        reward_funcs=[reward_function(composition, part, [tokenizer.eos_token_id]) for part in composition.components],
        args=trainer_arguments(
            GRPOConfig,
            settings,
            request,
            max_steps=settings.max_steps,
            num_generations=settings.num_generations,
            temperature=settings.temperature,
            max_completion_length=settings.max_completion_length,
            beta=settings.beta,
            adam_beta2=settings.adam_beta2,
            reward_weights=[component.weight for component in composition.components],
            shuffle_dataset=False,
            lr_scheduler_type="linear",
            **ALGORITHMS[settings.algorithm],
        ),
        train_dataset=data,
        processing_class=tokenizer,
        rollout_func=rollout_function(
            settings.temperature,
            settings.max_completion_length,
            settings.thinking_budget,
            settings.stop_sentence,
            request.seed,
        ),
        callbacks=[
            TrackerCallback(tracker),
            *([StopAtReward(settings.stop_at, settings.stop_window)] if settings.stop_at else []),
        ],
    )
    train(trainer, tracker)
    tracker.samples(last_samples(trainer))
    save_model(model, tokenizer, request.folder, request.stage, {"steps": trainer.state.global_step})
    steps = trainer.state.global_step
    return {
        "steps": steps,
        "capped": bool(settings.stop_at) and steps >= settings.max_steps,
        **curve_metrics(tracker.history(), settings.stop_window, composition),
    }
