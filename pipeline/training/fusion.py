"""The rows of thinking-mode fusion: one function for each kind."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from pipeline.chat.modes import Mode
from pipeline.chat.parse import render_completion
from pipeline.generation.budget import stop_text
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.cut import answer_from, cut_thought
from pipeline.problems import Family, Problem
from pipeline.problems.instructions import obey
from pipeline.problems.prompts import Prompt, PromptMix, mixed_prompt, plain_prompt

Row = dict[str, Any]


def _row(prompt: Prompt, completion: str, untrained: str = "") -> Row:
    return {**prompt.as_row(), "completion": completion, "untrained": untrained}


def _answer(boxed: str, prompt: Prompt, followed: float, rng: Random) -> str:
    answer = f"\\boxed{{{boxed}}}"
    if prompt.instructions and rng.random() < followed:
        return obey(answer, prompt.instructions, prompt.language)
    return answer


def think_row(item: Judged, mix: PromptMix, followed: float, family: Family, rng: Random) -> Row:
    """The model's own thought and answer, under a prompt with other flags, turns and instructions.

    ``followed``: the share of instructions that the answer obeys.
    """
    prompt = mixed_prompt(item.prompt.problem, "think", mix, family, rng)
    answer = _answer(item.prompt.problem.answer, prompt, followed, rng)
    return _row(prompt, render_completion(item.completion.thought, answer))


def no_think_row(problem: Problem, mix: PromptMix, followed: float, family: Family, rng: Random) -> Row:
    """The empty block and the gold answer."""
    prompt = mixed_prompt(problem, "no_think", mix, family, rng)
    return _row(prompt, render_completion("", _answer(problem.answer, prompt, followed, rng)))


def cut_rows(
    completer: Completer,
    kept: Sequence[Judged],
    count: int,
    stop_sentence: Mapping[str, str],
    flagged: float,
    seed: int,
) -> list[Row]:
    """Thoughts cut at a random token, each with the answer that the model itself still gives from there.

    The model answers after its own ``completer.stop_sentence``; the row says ``stop_sentence``. For a model that has
    not learned the sentence the first is none, and the row so teaches it to mean "answer from what you have". Rows
    whose answer is not one boxed value are left out.
    """
    rng, think = Random(seed), completer.think
    cuts = []
    for item in rng.sample(list(kept), min(count, len(kept))):
        if item.thinking_tokens > 1:
            cuts.append(cut_thought(item, rng.randint(1, item.thinking_tokens - 1), think))
    chosen = [cut for cut in cuts if cut is not None]
    rows = []
    for cut, judged in zip(chosen, answer_from(completer, chosen), strict=True):
        prompt, answer = judged.prompt, judged.completion
        if judged.rollout.ended and answer.boxed is not None:
            given = completer.tokenizer.decode(cut.kept) + stop_text(stop_sentence[prompt.language])
            flag: Mode | None = "think" if rng.random() < flagged else None
            rows.append(_row(plain_prompt(prompt.problem, flag), given + answer.answer, untrained=given))
    return rows
