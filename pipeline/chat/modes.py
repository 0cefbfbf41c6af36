"""Thinking modes and their soft switches, as Qwen3's: ``/think`` and ``/no_think`` in the text, the last one wins."""

import re
from collections.abc import Sequence
from typing import Literal, TypedDict

Mode = Literal["think", "no_think"]
MODES: tuple[Mode, ...] = ("think", "no_think")
FLAGS: dict[Mode, str] = {"think": "/think", "no_think": "/no_think"}
FLAG = re.compile(r"(?<!\S)/(think|no_think)(?!\S)")


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


def resolve_mode(messages: Sequence[Message], enable_thinking: bool = True) -> Mode:
    """The mode that a conversation asks for: the last flag in any user or system message, thinking when there is none.

    ``enable_thinking=False`` wins over every flag, as the template then closes the think block itself.
    """
    if not enable_thinking:
        return "no_think"
    for message in reversed(messages):
        if message["role"] != "assistant":
            flags = FLAG.findall(message["content"])
            if flags:
                return flags[-1]
    return "think"


def with_flag(question: str, flag: Mode | None) -> str:
    """A question with its soft switch appended, or as it is."""
    return f"{question} {FLAGS[flag]}" if flag else question
