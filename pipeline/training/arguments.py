"""The trainer arguments that are the same for every stage: where, how precise, how often saved, and quiet.

A stage adds its own on top by their TRL names. What is set here and what the runner decides cannot be set in a recipe.
"""

from typing import Any

import torch
from transformers import TrainingArguments

from pipeline.runner.request import Request
from pipeline.training.settings import TrainerSettings


def trainer_arguments(
    config: type[TrainingArguments], settings: TrainerSettings, request: Request, **overrides: Any
) -> Any:
    """A TRL config (or plain TrainingArguments) for this stage.

    ``overrides`` win over what is common, the recipe's TRL settings over both.
    """
    micro = settings.micro_batch_size or settings.batch_size
    if settings.batch_size % micro:
        raise ValueError(f"batch_size {settings.batch_size} is not divided by micro_batch_size {micro}")
    common: dict[str, Any] = dict(
        output_dir=str(request.trainer_folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // micro,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.bf16,
        gradient_checkpointing=settings.gradient_checkpointing,
        seed=request.seed,
        data_seed=request.seed,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen, not averaged away
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
    )
    return config(**{**common, **overrides, **settings.trl})
