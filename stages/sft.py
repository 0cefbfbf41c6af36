"""Supervised fine-tuning on rows of (prompt, completion): cold start, fusion, off-policy distillation.

The engine is TRL's ``SFTTrainer`` on rows that ``pipeline.chat.encode`` turned into ids and a loss mask. Training goes
in rounds of epochs; with a gate, it ends after the first round that passes it on held-out problems.
"""

import math
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from pipeline.errors import ColdstartError
from pipeline.problems.settings import PROBLEM_FILES
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
    reads=PROBLEM_FILES,
    trl_config="sft_config.SFTConfig",
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the model; returns its metrics. Raises ColdstartError when no row is short enough."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig

    from pipeline.artifacts.rows import read_rows
    from pipeline.chat.encode import encode_example
    from pipeline.models import load_model, save_model
    from pipeline.training.arguments import trainer_arguments
    from pipeline.training.callbacks import StopAtGate, TrackerCallback, passes
    from pipeline.training.checkpoints import train
    from pipeline.training.gates import chat_gate
    from pipeline.training.schedules import Rounds
    from pipeline.training.sft import RoundsSFTTrainer

    model, tokenizer = load_model(request.input("model"))
    rows = read_rows(request.input("data"))
    encoded = [encode_example(tokenizer, row["messages"], row["completion"], row["untrained"]) for row in rows]
    fitting = [
        example for example in encoded if settings.max_length is None or len(example.input_ids) <= settings.max_length
    ]
    if not fitting:
        raise ColdstartError(f"stage {request.stage}: no row is at most max_length={settings.max_length} tokens long")
    data = Dataset.from_list([vars(example) for example in fitting])

    steps_per_epoch = math.ceil(len(data) / settings.batch_size)
    rounds = Rounds([epochs * steps_per_epoch for epochs in accumulate(settings.rounds)])
    gate = chat_gate(model, tokenizer, settings.gate, request.seed) if settings.gate.thresholds else None
    callbacks: list[TrainerCallback] = [TrackerCallback(tracker)]
    if gate is not None:
        callbacks.append(StopAtGate(gate, settings.gate.thresholds, rounds, tracker))
    trainer = RoundsSFTTrainer(
        model=model,
        args=trainer_arguments(
            SFTConfig,
            settings,
            request,
            max_steps=rounds.ends[-1],
            max_length=None,
            packing=False,
            completion_only_loss=True,
        ),
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=callbacks,
        rounds=None if "lr_scheduler_type" in settings.trl else rounds,
    )
    train(trainer, tracker)

    steps = trainer.state.global_step
    metrics: dict[str, Any] = {
        "steps": steps,
        "rows": len(fitting),
        "rows_too_long": len(encoded) - len(fitting),
        "epochs": steps / steps_per_epoch,
        "rounds": 1 + rounds.ends.index(steps) if steps in rounds.ends else len(rounds.ends),
        "trained_tokens_per_epoch": sum(sum(example.completion_mask) for example in fitting),
    }
    if gate is not None:
        measured = [row for row in tracker.history() if any(key.startswith("gate/") for key in row)][-1]
        figures = {key.removeprefix("gate/"): value for key, value in measured.items() if key.startswith("gate/")}
        metrics |= {"gate": figures, "capped": not passes(figures, settings.gate.thresholds)}
    save_model(model, tokenizer, request.folder, request.stage, {"steps": steps, "rows": len(fitting)})
    return metrics
