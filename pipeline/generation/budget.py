"""The thinking budget: stop a thought at N tokens, say so, close the block, and let the model answer.

As Qwen3 does it (technical report, section 4.3): when the thought reaches the budget, a stop sentence and ``</think>``
are put after it, and the model goes on from there. Those tokens are the machine's, not the model's: they are marked as
forced, and RL leaves them out of its loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from transformers import PreTrainedTokenizerBase

from pipeline.chat.encode import encode_text
from pipeline.chat.parse import CLOSE, EMPTY_BLOCK, OPEN
from pipeline.generation.characters import Characters, read_characters


@dataclass(frozen=True)
class ThinkTokens:
    """Token ids of the think block: its two tags, and what is forced when a thought is stopped, by language."""

    open: int
    close: int
    stop: Mapping[str, list[int]] = field(default_factory=dict)
    """After a thought of at least one token: line break, stop sentence, ``</think>``, blank line."""
    empty: list[int] = field(default_factory=list)
    """Right after ``<think>``, at a budget of 0: what makes the empty block. No thought, so nothing that was cut."""
    characters: Characters | None = None
    """Which tokens end inside a character; None when that is not asked."""

    def forced(self, language: str, thought_tokens: int) -> list[int]:
        return self.stop[language] if thought_tokens else self.empty


def stop_text(sentence: str) -> str:
    """The text that ends a thought which is cut; ``""`` closes it without a word."""
    return f"\n{sentence}\n{CLOSE}\n\n" if sentence else f"\n{CLOSE}\n\n"


def think_tokens(tokenizer: PreTrainedTokenizerBase, stop_sentence: Mapping[str, str]) -> ThinkTokens:
    """The ids for a tokenizer. ``stop_sentence``: by language, ``""`` to close the block without a word."""
    (opening, closing) = (encode_text(tokenizer, [tag])[0] for tag in (OPEN, CLOSE))
    if len(opening) != 1 or len(closing) != 1:
        raise ValueError("the tokenizer has no think tokens of its own: load it through pipeline.chat.tokenizer")
    stops = encode_text(tokenizer, [stop_text(sentence) for sentence in stop_sentence.values()])
    (empty,) = encode_text(tokenizer, [EMPTY_BLOCK.removeprefix(OPEN)])
    stop = dict(zip(stop_sentence, stops, strict=True))
    return ThinkTokens(opening[0], closing[0], stop, empty, read_characters(tokenizer))


def block_state(prompt: Sequence[int], tokens: ThinkTokens) -> Literal["before", "inside", "after"]:
    """Where a prompt leaves the think block: not yet opened, opened by the template, or opened and closed by it."""
    tail = list(prompt[-4:])  # a template puts at most "<think>\n" or "<think>\n\n</think>\n\n" there
    if tokens.close in tail:
        return "after"
    return "inside" if tokens.open in tail else "before"


def thought_span(ids: Sequence[int], tokens: ThinkTokens, opened: bool = False) -> tuple[int, int] | None:
    """``(start, end)`` of the first thought's tokens in a completion, tags excluded; None when it has none.

    ``opened``: the prompt ends inside a block. A thought that is never closed ends with the completion.
    """
    if not opened and tokens.open not in ids:
        return None
    start = 0 if opened else list(ids).index(tokens.open) + 1
    rest = list(ids[start:])
    return start, start + (rest.index(tokens.close) if tokens.close in rest else len(rest))
