"""Make a base model from nothing: a Qwen3 architecture on the procedural corpus of one problem family.

For the embedded scale only; real scales ``load`` a base instead. Training holds its rate until held-out text problems
are solved, not for a fixed number of steps: when the model finds the trick varies by seed, and a base that missed it
is repaired by no later stage. The engine is Transformers' ``Trainer``.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.corpus import CorpusSettings
from pipeline.problems.settings import PROBLEM_FILES
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.seeds import derive_seed
from pipeline.tracking import Tracker

logger = logging.getLogger(__name__)


@dataclass
class Settings:
    family: str = "walk"
    family_options: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    """Sizes by their Transformers names: see pipeline.models.ModelSize."""
    vocab_size: int = 1024
    """Most entries of a tokenizer trained on the spot; unused when one comes in as an input."""
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    difficulty_start: int = 4
    difficulty_end: int = 12
    difficulty_steps: int = 250
    """The hardest problem grows from start to end over these steps."""
    batch_size: int = 28
    sequence_length: int = 76
    learning_rate: float = 0.02
    """Of Muon, for the hidden matrices."""
    adam_learning_rate: float = 3e-3
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    warmup_steps: int = 20
    decay_steps: int = 250
    max_steps: int = 1600
    """The cap. Hit or not, the decay runs its steps before it."""
    attempts: int = 3
    """Some starts never find the trick. One without a sign of it after ``patience`` steps is given up, and begun anew
    from another seed, unless it was the last."""
    patience: int = 800
    gate: dict[str, float] = field(default_factory=lambda: {"accuracy": 0.7})
    gate_every: int = 50
    gate_problems: int = 96
    logging_steps: int = field(default=20, metadata={"result": False})
    save_steps: int = field(default=100, metadata={"result": False})
    keep_checkpoints: bool = field(default=False, metadata={"result": False})


MECHANISM = Mechanism(
    settings=Settings, makes="model", inputs={"tokenizer": Input("model", required=False)}, reads=PROBLEM_FILES
)


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the model; returns its metrics."""
    import torch
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import TrainingArguments

    from pipeline.chat.tokenizer import load_tokenizer
    from pipeline.models import ModelSize, build_model, save_model
    from pipeline.problems import make_family
    from pipeline.training.callbacks import HoldUntilGate, TrackerCallback
    from pipeline.training.checkpoints import train
    from pipeline.training.muon import MuonAdamW
    from pipeline.training.pretraining import Curriculum, PackedDocuments, StepTrainer, corpus_tokenizer, text_accuracy
    from pipeline.training.schedules import HoldThenDecay

    family = make_family(settings.family, settings.family_options)
    if "tokenizer" in request.inputs:
        tokenizer = load_tokenizer(request.input("tokenizer") / "model")
    else:
        tokenizer = corpus_tokenizer(
            family, settings.corpus, settings.difficulty_end, settings.vocab_size, request.seed
        )
    held_out = family.sample(settings.gate_problems, "validation", (1, settings.difficulty_end), request.seed)

    def gate() -> dict[str, float]:
        return {"accuracy": text_accuracy(model, tokenizer, held_out, settings.sequence_length)}

    # A resumed stage goes on with the attempt that it was at; each has a folder of its own.
    begun = len(list(request.trainer_folder.glob("attempt-*")))
    for attempt in range(max(0, begun - 1), settings.attempts):
        seed = derive_seed(request.seed, "attempt", attempt) if attempt else request.seed
        model = build_model(ModelSize(**settings.model), tokenizer, seed)
        optimizer = MuonAdamW(model, settings.learning_rate, settings.adam_learning_rate, settings.weight_decay)
        schedule = HoldThenDecay(settings.warmup_steps, settings.decay_steps)
        last = attempt == settings.attempts - 1
        watch = HoldUntilGate(
            gate, settings.gate, settings.gate_every, schedule, tracker, None if last else settings.patience
        )
        trainer = StepTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=str(request.trainer_folder / f"attempt-{attempt}"),
                per_device_train_batch_size=1,  # one item is the whole batch of a step
                max_steps=settings.max_steps,
                max_grad_norm=settings.max_grad_norm,
                seed=seed,
                save_strategy="steps",
                save_steps=settings.save_steps,
                save_total_limit=2,
                logging_steps=settings.logging_steps,
                logging_nan_inf_filter=False,
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                remove_unused_columns=False,
                use_cpu=not torch.cuda.is_available(),
            ),
            train_dataset=PackedDocuments(
                family,
                tokenizer,
                settings.corpus,
                Curriculum(settings.difficulty_start, settings.difficulty_end, settings.difficulty_steps),
                (settings.max_steps, settings.batch_size, settings.sequence_length),
                seed,
            ),
            data_collator=lambda items: items[0],
            optimizers=(optimizer, LambdaLR(optimizer, schedule)),
            callbacks=[TrackerCallback(tracker), watch],
        )
        train(trainer, tracker)
        if not watch.stalled:
            break
        logger.warning(
            "stage %s: no sign of learning after %d steps (attempt %d); it begins anew from another seed",
            request.stage,
            trainer.state.global_step,
            attempt + 1,
        )

    final = gate()
    steps = trainer.state.global_step
    metrics: dict[str, Any] = {
        "steps": steps,
        "attempts": attempt + 1,
        "gate_step": schedule.decay_from,
        "capped": not any(row.get("gate/accuracy", 0) >= settings.gate.get("accuracy", 0) for row in tracker.history()),
        "text_accuracy": final["accuracy"],
        "text_problems": settings.gate_problems,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": steps * settings.batch_size * settings.sequence_length,
    }
    tracker.log(steps, {"gate/accuracy": final["accuracy"]})
    save_model(model, tokenizer, request.folder, request.stage, metrics)
    return metrics
