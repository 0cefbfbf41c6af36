"""Models on disk: made from scratch, loaded from an artifact, saved so that plain Transformers loads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from pipeline.chat.tokenizer import load_tokenizer
from pipeline.errors import ColdstartError


@dataclass
class ModelSize:
    """A Qwen3-architecture model, by Transformers' names."""

    num_hidden_layers: int = 3
    hidden_size: int = 96
    intermediate_size: int = 288
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 24
    max_position_embeddings: int = 512
    initializer_range: float = 0.05
    tie_word_embeddings: bool = True


def build_model(size: ModelSize, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A Qwen3 model with random weights for this tokenizer."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        **vars(size),
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype="float32",
    )
    return Qwen3ForCausalLM(config)


def load_model(artifact: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a model artifact (its ``model/`` folder)."""
    folder = artifact / "model"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    return model, load_tokenizer(folder)


def open_checkpoint(
    name: str, where: str, revision: str | None = None, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a folder that ``save_pretrained`` wrote, of an artifact, or of a hub id.

    Nothing is downloaded unless the id is not cached and the network is allowed: ``HF_HUB_OFFLINE=1`` is respected.

    Raises:
        ColdstartError: nothing can be loaded under that name; ``where`` is the setting that gave it.
    """
    if not name:
        raise ColdstartError(f"{where} is not set; give a folder with a saved model, or a hub id")
    folder = Path(name)
    if folder.is_dir() and (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ColdstartError(f"{where}: {name} has no config.json; it must be a folder that save_pretrained wrote")
    source = str(folder) if folder.is_dir() else name
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        tokenizer = load_tokenizer(source, **options)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ColdstartError(
            f"{where}: cannot load {name!r} ({first}); give an existing folder, or an id that is in the Hugging Face "
            "cache when offline"
        ) from None
    return model, tokenizer


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    artifact: Path,
    stage: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write ``model/``: safetensors, tokenizer with its chat template, sampling defaults and a model card.

    The generation config holds Qwen3's thinking defaults (its model card: T 0.6, top-p 0.95, top-k 20); it has room
    for one set, so the card names the non-thinking one.
    """
    folder = artifact / "model"
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.6,
        top_p=0.95,
        top_k=20,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    # A trainer leaves its own paths and switches in the config; an artifact's bytes must not depend on them.
    model.config._name_or_path = ""
    model.config.use_cache = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    lines = [f"| {key} | {value} |" for key, value in (facts or {}).items()]
    table = "\n".join(["| | |", "| --- | --- |", *lines]) if lines else ""
    (folder / "README.md").write_text(CARD.format(stage=stage, facts=table), encoding="utf-8")


CARD = """---
library_name: transformers
pipeline_tag: text-generation
tags: [coldstart, reasoning]
---
# {stage}

Made by the `{stage}` stage of a Coldstart recipe.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
prompt = tokenizer.apply_chat_template(
    [{{"role": "user", "content": "..."}}], tokenize=False, add_generation_prompt=True, enable_thinking=True
)
```

Thinking: temperature 0.6, top-p 0.95, top-k 20 (the generation config). Not thinking (`enable_thinking=False` or
`/no_think`): temperature 0.7, top-p 0.8, top-k 20. Both as on Qwen3's model card.

{facts}
"""
