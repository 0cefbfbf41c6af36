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


MECHANISM = Mechanism(settings=Settings, makes="model", reads=("model",))


def run(settings: Settings, request: Request, tracker: Tracker) -> dict[str, Any]:
    """Load, prepare and save the base; returns its metrics.

    Raises:
        ColdstartError: nothing is there under that name (what to set is said), or its think tags are special tokens.
    """
    from pipeline.chat.tokenizer import END, TEMPLATE, add_think_tokens
    from pipeline.models import open_checkpoint, save_model

    model, tokenizer = open_checkpoint(
        settings.model, f"stages.{request.stage}.model", settings.revision, settings.trust_remote_code
    )
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
