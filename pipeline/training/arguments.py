"""The trainer arguments that are the same for every stage: where, how precise, how often saved, and quiet.

A stage adds its own on top by their TRL names. What is set here and what the runner decides cannot be set in a recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments

from pipeline.runner.request import Request


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
    micro_batch_size: int | None = no_result(None)
    """Rows of one forward pass; the whole batch when null. A fact of the launch."""
    save_steps: int = no_result(100)
    keep_checkpoints: bool = no_result(False)
    logging_steps: int = no_result(10)


def trainer_arguments(
    config: type[TrainingArguments], settings: TrainerSettings, request: Request, **overrides: Any
) -> Any:
    """A TRL config (or plain TrainingArguments) for this stage. ``overrides`` win."""
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
        use_cpu=not _has_accelerator(),
    )
    return config(**{**common, **overrides})


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()


def split_settings(settings: Mapping[str, Any], own: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """``(settings of the dataclass, TRL settings by TRL's names)``."""
    names = own.__dataclass_fields__  # type: ignore[attr-defined]
    return (
        {key: value for key, value in settings.items() if key in names},
        {key: value for key, value in settings.items() if key not in names},
    )
