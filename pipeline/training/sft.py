"""SFT through TRL's ``SFTTrainer``: our rows and masks, our rounds and gate, everything else TRL's."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from trl import SFTTrainer

from pipeline.training.schedules import Rounds


class RoundsSFTTrainer(SFTTrainer):
    """TRL's trainer with a rate that falls over each round, as Transformers has no schedule that starts again."""

    def __init__(self, *args: Any, rounds: Rounds | None, **kwargs: Any) -> None:
        """``rounds``: None for TRL's own schedule, over all of the steps."""
        self.rounds = rounds
        super().__init__(*args, **kwargs)

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        if self.rounds is None:
            return super().create_scheduler(num_training_steps, optimizer)
        self.lr_scheduler: LRScheduler = LambdaLR(optimizer or self.optimizer, self.rounds)
        return self.lr_scheduler
