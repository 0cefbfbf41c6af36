"""On-policy distillation: the student samples in both modes, and matches the teacher's logits on its own samples.

Qwen3 report, section 4.5, second phase. The engine is TRL's ``DistillationTrainer`` (reverse KL at ``beta: 1``); its
sampling is replaced by our loop, so that each row has its own random stream and a resumed run gives the same tokens.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.prompts import PromptMix
from pipeline.problems.settings import PROBLEM_FILES, ProblemSettings
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from pipeline.training.settings import TrainerSettings, no_result


@dataclass
class Settings(TrainerSettings, ProblemSettings):
    batch_size: int = 128
    max_steps: int = 60
    beta: float = 1.0
    """Of the generalised Jensen-Shannon divergence: 1 is reverse KL, 0 forward KL."""
    temperature: float = 1.0
    max_completion_length: int = 64
    difficulty: list[int] = field(default_factory=lambda: [1, 10])
    """Within what the teacher was trained on: beyond it, reverse KL keeps the student's loops."""
    mix: PromptMix = field(default_factory=lambda: PromptMix(no_think=0.5, flagged=1.0))
    logging_steps: int = no_result(1)


CURVE_WINDOW = 5
"""Steps that the first and the last loss are means of."""

MECHANISM = Mechanism(
    settings=Settings,
    makes="model",
    inputs={"student": Input("model"), "teacher": Input("model")},
    reads=PROBLEM_FILES,
    trl_config="distillation_config.DistillationConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the student; returns its metrics. Raises ColdstartError for two vocabularies."""
    from datasets import Dataset
    from trl import DistillationConfig

    from pipeline.chat.encode import render_prompt
    from pipeline.models import load_model, save_model
    from pipeline.training.arguments import trainer_arguments
    from pipeline.training.callbacks import TrackerCallback
    from pipeline.training.checkpoints import train
    from pipeline.training.data import draw_prompts
    from pipeline.training.distillation import RolloutDistillationTrainer, check_vocabularies

    model, tokenizer = load_model(request.input("student"))
    teacher, teacher_tokenizer = load_model(request.input("teacher"))
    check_vocabularies(tokenizer, teacher_tokenizer, request.stage)
    prompts = draw_prompts(settings, settings.mix, settings.max_steps * settings.batch_size, request.seed)
    trainer = RolloutDistillationTrainer(
        model=model,
        teacher_model=teacher,
        args=trainer_arguments(
            DistillationConfig,
            settings,
            request,
            max_steps=settings.max_steps,
            beta=settings.beta,
            temperature=settings.temperature,
            max_completion_length=settings.max_completion_length,
            shuffle_dataset=False,
            lr_scheduler_type="linear",
        ),
        train_dataset=Dataset.from_list([{"prompt": render_prompt(tokenizer, prompt.messages)} for prompt in prompts]),
        processing_class=tokenizer,
        callbacks=[TrackerCallback(tracker)],
        rollout_seed=request.seed,
    )
    train(trainer, tracker)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    teacher_parameters = sum(parameter.numel() for parameter in teacher.parameters())
    save_model(model, tokenizer, request.folder, request.stage, {"steps": trainer.state.global_step})
    losses = [row["loss"] for row in tracker.history() if row.get("loss") is not None]
    return {
        "steps": trainer.state.global_step,
        "parameters": parameters,
        "teacher_parameters": teacher_parameters,
        "first_loss": sum(losses[:CURVE_WINDOW]) / len(losses[:CURVE_WINDOW]),
        "last_loss": sum(losses[-CURVE_WINDOW:]) / len(losses[-CURVE_WINDOW:]),
        "tokens_generated": int(sum(row.get("tokens/generated") or 0 for row in tracker.history())),
    }
