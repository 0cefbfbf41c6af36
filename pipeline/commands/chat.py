"""``coldstart chat CHECKPOINT``: talk to a checkpoint, and feel what its modes and budgets do.

A line is a message; these are commands: ``/think`` and ``/no_think`` (the soft switch of all that follows; in a message
they hold for that message), ``/budget N`` and ``/budget off``, ``/clear`` (the history), ``/exit``. Works in a pipe:
messages in, answers out.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline.chat.modes import FLAG, FLAGS, Message, Mode, with_flag
from pipeline.chat.parse import CLOSE, OPEN
from pipeline.errors import ColdstartError

if TYPE_CHECKING:
    from pipeline.generation.complete import Completer

HELP = "/think  /no_think  /budget N  /budget off  /clear  /exit"
THOUGHT = "dim italic"


@dataclass
class Session:
    """A conversation. Thoughts are no part of its history, as the template drops them."""

    completer: "Completer"
    sampling: object
    console: Console
    seed: int = 0
    messages: list[Message] = field(default_factory=list)
    flag: Mode | None = None
    budget: int | None = None
    turns: Iterable[int] = field(default_factory=count)

    def line(self, text: str) -> bool:
        """One line of input; False when the conversation is over."""
        text = text.strip()
        if not text:
            return True
        if text in ("/exit", "/quit"):
            return False
        if text.startswith("/"):
            self._command(text)
        else:
            self._answer(text)
        return True

    def _command(self, text: str) -> None:
        word, _, value = text.partition(" ")
        modes: dict[str, Mode] = {flag: mode for mode, flag in FLAGS.items()}
        if text in modes:
            self.flag = modes[text]
        elif word == "/budget" and (value.isdigit() or value == "off"):
            self.budget = int(value) if value.isdigit() else None
        elif text == "/clear":
            self.messages.clear()
        else:
            self.console.print(f"{text!r} is no command; there are: {HELP}", markup=False, highlight=False)

    def _answer(self, text: str) -> None:
        from pipeline.chat.encode import encode_text, prefill_of, render_prompt
        from pipeline.chat.parse import parse_completion
        from pipeline.generation.loop import generate
        from pipeline.seeds import derive_seed

        question = text if FLAG.search(text) else with_flag(text, self.flag)
        self.messages.append({"role": "user", "content": question})
        tokenizer = self.completer.tokenizer
        prompt = render_prompt(tokenizer, self.messages)
        prefill = prefill_of(prompt)
        shown = Shown(self.console, tokenizer.decode, prefill)
        (rollout,) = generate(
            self.completer.model,
            encode_text(tokenizer, [prompt]),
            self.sampling,  # type: ignore[arg-type]
            self.completer.max_new_tokens,
            [tokenizer.eos_token_id],
            seeds=[derive_seed(self.seed, next(iter(self.turns)))],
            thinking_budget=self.budget,
            think=self.completer.think,
            languages=["zh" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else "en"],
            on_token=shown.token,
        )
        shown.end()
        ids = rollout.ids[:-1] if rollout.ended else rollout.ids
        completion = parse_completion(tokenizer.decode(ids), rollout.ended, prefill)
        closed = CLOSE in completion.text or not completion.text.startswith(OPEN)
        self.messages.append({"role": "assistant", "content": completion.answer if closed else ""})


class Shown:
    """Prints tokens as they come: the thought dimmed, without its tags. A character is shown when all its bytes are."""

    def __init__(self, console: Console, decode: Callable[[list[int]], str], prefill: str) -> None:
        self.console, self.decode, self.text = console, decode, prefill
        self.prefill, self.ids, self.printed = prefill, list[int](), 0

    def token(self, token: int) -> None:
        self.ids.append(token)
        self.text = self.prefill + self.decode(self.ids)
        if not self.text.endswith("\ufffd"):
            self._print()

    def end(self) -> None:
        self._print()
        self.console.print()

    def _print(self) -> None:
        visible, thought = self._visible()
        for part, style in ((visible[self.printed : thought], THOUGHT), (visible[max(self.printed, thought) :], "")):
            if part:
                self.console.print(part, style=style or None, end="", markup=False, highlight=False, soft_wrap=True)
        self.printed = max(self.printed, len(visible))

    def _visible(self) -> tuple[str, int]:
        """The text without its tags, and where in it the thought ends."""
        head, closed, tail = self.text.partition(CLOSE)
        if not head.startswith(OPEN):
            return self.text, 0
        thought = head.removeprefix(OPEN).lstrip("\n")
        if not closed:
            return thought, len(thought)
        thought = thought.rstrip()
        return (f"{thought}\n{tail.lstrip()}" if thought else tail.lstrip()), len(thought)


def chat(model_name: str, lines: Iterable[str] | None = None, console: Console | None = None) -> None:
    """Talk until the input ends or says ``/exit``. Raises ColdstartError when there is no such checkpoint."""
    from pathlib import Path

    from pipeline.commands.budget import MAX_NEW_TOKENS, QWEN3_STOP, BudgetSettings, measured_with, read_sampling
    from pipeline.generation.complete import Completer
    from pipeline.models import open_checkpoint

    own = measured_with(Path(model_name))
    model, tokenizer = open_checkpoint(model_name, "model")
    if not tokenizer.chat_template:
        raise ColdstartError(f"model: the tokenizer of {model_name} has no chat template, so it cannot be talked to")
    console = console or Console(soft_wrap=True)
    completer = Completer(
        model.eval(),
        tokenizer,
        own.get("max_new_tokens") or MAX_NEW_TOKENS,
        own.get("stop_sentence") or QWEN3_STOP,
    )
    session = Session(completer, read_sampling(BudgetSettings(model=model_name), model), console)
    if console.is_terminal:
        console.print(f"{model_name}   {HELP}", style="dim", markup=False, highlight=False)
    for line in lines if lines is not None else _input(console):
        if not session.line(line):
            return


def _input(console: Console) -> Iterable[str]:
    """Lines of the terminal, with a prompt there and none in a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield console.input("[bold]> [/]")
        except EOFError:
            return
