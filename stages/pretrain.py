"""Make a base model from nothing: a Qwen3 architecture on the procedural corpus of one problem family.

For the embedded scale only; real scales ``load`` a base instead. Training holds its rate until held-out text problems
are solved, not for a fixed number of steps: when the model finds the trick varies by seed, and a base that missed it
is repaired by no later stage. The engine is Transformers' ``Trainer``.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline.problems.corpus import CorpusSettings
from pipeline.runner.mechanism import Input, Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


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
    gate: dict[str, float] = field(default_factory=lambda: {"accuracy": 0.7})
    gate_every: int = 50
    gate_problems: int = 96
    logging_steps: int = field(default=20, metadata={"result": False})
    save_steps: int = field(default=100, metadata={"result": False})
    keep_checkpoints: bool = field(default=False, metadata={"result": False})


MECHANISM = Mechanism(settings=Settings, makes="model", inputs={"tokenizer": Input("model", required=False)})


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.training.pretraining import pretrain

    return pretrain(settings, request, tracker)
