"""Load a base: a Hugging Face folder or hub id, with our chat template and think tokens where it has none.

Nothing is downloaded unless the id is not cached and the network is allowed: ``HF_HUB_OFFLINE=1`` is respected.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError
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
    """Load, prepare and save the base; returns its metrics.

    Raises:
        ColdstartError: nothing is there under that name (what to set is said), or its think tags are special tokens.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from pipeline.chat.tokenizer import END, TEMPLATE, add_think_tokens, load_tokenizer
    from pipeline.models import save_model

    where = f"stages.{request.stage}.model"
    if not settings.model:
        raise ColdstartError(f"{where} is not set; give a folder with a saved model, or a hub id")
    if Path(settings.model).is_dir() and not (Path(settings.model) / "config.json").is_file():
        raise ColdstartError(
            f"{where}: {settings.model} has no config.json; it must be a folder that save_pretrained wrote"
        )
    options = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    try:
        tokenizer = load_tokenizer(settings.model, **options)
        model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=torch.float32, **options)
    except OSError as error:
        first = str(error).splitlines()[0]
        raise ColdstartError(
            f"{where}: cannot load {settings.model!r} ({first}); give an existing folder, or an id that is in the "
            "Hugging Face cache when offline"
        ) from None
    added = add_think_tokens(tokenizer)
    replaced = settings.our_template or not tokenizer.chat_template
    if replaced:
        # Our template ends a turn with <|im_end|>; the model must then be able to write it.
        tokenizer.chat_template = TEMPLATE
        added += tokenizer.add_special_tokens({"eos_token": END})
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    save_model(model, tokenizer, request.folder, request.stage, {"loaded from": settings.model})
    return {
        "loaded_from": settings.model,
        "revision": getattr(model.config, "_commit_hash", None) or settings.revision,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens_added": added,
        "template_replaced": bool(replaced),
    }
