r"""The one strict parser of completions. Rewards, evaluation and data all see a completion through it.

A well-formed completion is, to the letter::

    <think>\n{thought}\n</think>\n\n{answer}<end>          thinking
    <think>\n\n</think>\n\n{answer}<end>                   not thinking: the empty block

A loose check is found and spread by RL (a doubled ``</think>`` and a thought that opens with a blank line both were),
and a budget, which forces the opening, would then measure another model than free thinking does.
"""

import re
from dataclasses import dataclass

from pipeline.chat.modes import Mode

OPEN, CLOSE = "<think>", "</think>"
EMPTY_BLOCK = f"{OPEN}\n\n{CLOSE}\n\n"
BOXED = re.compile(r"\\boxed\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")


@dataclass(frozen=True)
class Completion:
    """What a completion says. ``fault`` names the first break of the format, None for a well-formed one.

    ``thought`` and ``answer`` hold what could be read even when the format is broken: evaluation shows them, rewards
    must not pay for them (accuracy is gated on ``fault is None`` by composition).
    """

    text: str
    thought: str
    answer: str
    fault: str | None

    @property
    def mode(self) -> Mode:
        return "think" if self.thought else "no_think"

    @property
    def boxed(self) -> str | None:
        r"""The content of the only ``\boxed{}`` of the answer. None when there is none, an empty one, or several."""
        found = BOXED.findall(self.answer)
        if len(found) != 1 or self.answer.count("\\boxed") != 1 or not found[0].strip():
            return None
        return found[0].strip()


def render_completion(thought: str, answer: str) -> str:
    """The text of a well-formed completion, without the end token; the empty block for an empty thought."""
    return f"{OPEN}\n{thought}\n{CLOSE}\n\n{answer}" if thought else EMPTY_BLOCK + answer


def parse_completion(text: str, ended: bool, prefill: str = "") -> Completion:
    """Read a completion.

    Args:
        text: the decoded completion without its end token.
        ended: whether the model ended it by itself, with the end token.
        prefill: what the template already opened in the prompt (``<think>\\n`` or the whole empty block).
    """
    text = prefill + text
    head, found, tail = text.partition(CLOSE)
    thought = head.removeprefix(OPEN).strip("\n") if found else ""
    answer = tail.strip("\n") if found else text
    return Completion(text, thought, answer, _fault(text, ended))


def _fault(text: str, ended: bool) -> str | None:
    if not text.startswith(OPEN + "\n"):
        return "does not open with <think>"
    if text.count(OPEN) != 1:
        return "several <think>"
    if text.count(CLOSE) != 1:
        return "thought is never closed" if CLOSE not in text else "several </think>"
    block, _, answer = text.partition(CLOSE)
    inner = block.removeprefix(OPEN)
    if inner != "\n\n":
        if not inner.endswith("\n") or len(inner) < 3:
            return "no line break before </think>"
        thought = inner[1:-1]
        if thought != thought.strip("\n") or not thought.strip():
            return "thought starts or ends with a blank line"
    if not answer.startswith("\n\n") or answer[2:3] == "\n":
        return "no blank line after </think>"
    if not answer.strip():
        return "no answer"
    if answer != answer.rstrip():
        return "white space after the answer"
    if not ended:
        return "not ended"
    return None
