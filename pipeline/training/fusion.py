"""The rows of thinking-mode fusion: one function for each kind."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from pipeline.chat.modes import Mode
from pipeline.chat.parse import render_completion
from pipeline.generation.budget import stop_text, thought_span
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY
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
    rng = Random(seed)
    tokenizer, think = completer.tokenizer, completer.think
    cuts: list[tuple[Judged, list[int]]] = []
    for item in rng.sample(list(kept), min(count, len(kept))):
        span = thought_span(item.rollout.ids, think)
        if span is not None and span[1] - span[0] > 1:
            cuts.append((item, item.rollout.ids[: span[0] + rng.randint(1, span[1] - span[0] - 1)]))
    answers = generate(
        completer.model,
        [[*item.prefix, *ids, *think.forced(item.prompt.language, 1)] for item, ids in cuts],
        GREEDY,
        completer.max_new_tokens,
        [tokenizer.eos_token_id],
    )
    rows = []
    for (item, ids), answer in zip(cuts, answers, strict=True):
        text = tokenizer.decode(answer.ids[:-1]) if answer.ended else ""
        given = tokenizer.decode(ids) + stop_text(stop_sentence[item.prompt.language])
        judged = completer.judge(item.prompt, 0, item.prefix, "", answer)
        if text and judged.completion.boxed is not None:
            flag: Mode | None = "think" if rng.random() < flagged else None
            rows.append(_row(plain_prompt(item.prompt.problem, flag), given + text, untrained=given))
    return rows
