"""The one place that says what is a prompt and what is trained on.

Prompts are rendered to text by the chat template and turned into ids here, without special tokens: the template has
written them already, and a tokenizer that adds a BOS would add a second one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from pipeline.chat.modes import Message
from pipeline.chat.parse import EMPTY_BLOCK, OPEN

PREFILLED_THINK = f"{OPEN}\n"
"""What the templates of some reasoning models open the completion with."""


@dataclass(frozen=True)
class Encoded:
    """``input_ids`` and a mask of the same length: 1 where a token is trained on."""

    input_ids: list[int]
    completion_mask: list[int]


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], enable_thinking: bool = True) -> str:
    """The prompt's text, up to where the assistant's turn starts (and over the empty block when thinking is off)."""
    text = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=enable_thinking
    )
    assert isinstance(text, str)
    return text


def prefill_of(prompt: str) -> str:
    """What a rendered prompt has already opened of the completion; empty for most."""
    for opened in (EMPTY_BLOCK, PREFILLED_THINK):
        if prompt.endswith(opened):
            return opened
    return ""


def encode_text(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of texts that carry their own special tokens."""
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []


def encode_example(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], completion: str, untrained: str = ""
) -> Encoded:
    """A training row: prompt (not trained on), completion and end token (trained on).

    Args:
        messages: the conversation up to the last user message.
        completion: the assistant's whole text, think block included.
        untrained: a start of ``completion`` that is given, not learned: a cut thought and its stop sentence.

    Raises:
        ValueError: ``untrained`` is no start of ``completion``, or the tokenizer has no end token.
    """
    if not completion.startswith(untrained):
        raise ValueError("the untrained part must be a start of the completion")
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end token, so an answer could never end")
    prompt, given, learned = encode_text(
        tokenizer, [render_prompt(tokenizer, messages), untrained, completion[len(untrained) :]]
    )
    learned = [*learned, tokenizer.eos_token_id]
    return Encoded([*prompt, *given, *learned], [0] * (len(prompt) + len(given)) + [1] * len(learned))
