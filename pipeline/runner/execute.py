"""Run one stage from its serialised request: threads, seeds, quiet engines, then the mechanism's own ``run``.

The same function serves a stage inside the runner's process and in one of its own.
"""

import logging
import os
import random
import warnings
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipeline.runner.mechanism import mechanism_module
from pipeline.runner.request import Request
from pipeline.tracking import Tracker


def execute(request_path: Path, tracker: Tracker) -> dict[str, Any]:
    """Run the stage; returns its metrics. The artifact lies in ``request.output``, without a manifest."""
    request = Request.load(request_path)
    quiet_engines()
    import numpy
    import torch

    torch.set_num_threads(request.threads)
    random.seed(request.seed)
    numpy.random.seed(request.seed)
    torch.manual_seed(request.seed)
    module = mechanism_module(request.uses)
    settings = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(module.MECHANISM.settings), OmegaConf.create(request.settings))
    )
    return module.run(settings, request, tracker)


def quiet_engines() -> None:
    """Engines report through the tracker and the log alone: no bars, no banners, no telemetry."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    logging.getLogger("trl").setLevel(logging.ERROR)
