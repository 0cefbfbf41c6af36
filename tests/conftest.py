"""Shared fixtures: a tokenizer of the walk's corpus and a random model of a few thousand weights."""

import os
from pathlib import Path
from random import Random

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real problem sets are not here ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tokenizer():
    from pipeline.problems import make_family
    from pipeline.problems.corpus import CorpusSettings
    from pipeline.training.pretraining import corpus_tokenizer

    return corpus_tokenizer(make_family("walk"), CorpusSettings(), 12, vocab_size=1024, seed=0)


@pytest.fixture
def model(tokenizer):
    """Random weights, large enough apart that its greedy choices have no ties."""
    import torch

    from pipeline.models import ModelSize, build_model

    torch.set_num_threads(1)
    size = ModelSize(num_hidden_layers=2, hidden_size=32, intermediate_size=64, head_dim=8, initializer_range=0.3)
    return build_model(size, tokenizer, seed=0).eval()


@pytest.fixture
def thinking_model(model, tokenizer):
    """The random model, made to open a block first and to close it now and then."""
    import torch

    from pipeline.chat.encode import encode_text
    from pipeline.generation.budget import think_tokens

    think, turn_end = think_tokens(tokenizer, {}), encode_text(tokenizer, ["\n"])[0][-1]
    original = model.forward

    def forward(input_ids, **kwargs):
        with torch.no_grad():
            output = original(input_ids=input_ids, **kwargs)
            output.logits[:, -1, think.open] = -1e9
            output.logits[:, -1, think.close] += 4.0
            if input_ids.shape[1] > 1:
                output.logits[input_ids[:, -1] == turn_end, -1, think.open] = 1e9
        return output

    model.forward = forward
    return model


@pytest.fixture
def prompts():
    from pipeline.problems import make_family
    from pipeline.problems.prompts import plain_prompt

    problems = make_family("walk").sample(24, "train", (1, 6), seed=1)
    return [plain_prompt(problem) for problem in problems]


@pytest.fixture
def rng() -> Random:
    return Random(0)


@pytest.fixture
def composed():
    """``composed(*overrides)``: the configuration that Hydra makes of a command, not resolved."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import open_dict

    from pipeline import compose

    def compose_config(*overrides):
        with hydra.initialize_config_dir(str(compose.conf_dir()), version_base="1.3"):
            cfg = hydra.compose("config", compose.stage_overrides(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)  # for ${hydra:runtime.choices.recipe}
        with open_dict(cfg):
            del cfg["hydra"]
        return cfg

    yield compose_config
    HydraConfig.instance().cfg = None


@pytest.fixture
def compose(composed):
    """``compose(*overrides)``: what a command with these overrides reads, in this process."""
    from pipeline.compose import read_config

    return lambda *overrides: read_config(composed(*overrides))
