"""Load a base: a Hugging Face folder or hub id, with our chat template and think tokens where it has none.

Nothing is downloaded unless the id is not cached and the network is allowed: ``HF_HUB_OFFLINE=1`` is respected.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.runner.mechanism import Mechanism
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


@dataclass
class Settings:
    model: str = ""
    """Folder of a saved model, or a hub id."""
    revision: str | None = None
    """Commit of a hub model. Pin it: a branch may move under a finished run."""
    trust_remote_code: bool = False
    our_template: bool = False
    """Replace the model's own chat template by ours (Qwen3's). A model without one always gets ours."""


MECHANISM = Mechanism(settings=Settings, makes="model")


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    from pipeline.loading import load_base

    return load_base(settings, request)
