"""Cut a thought where a budget ends, say so, and let the model answer from there.

A thought does not know its budget: under any budget it goes on as it would without one, until it is cut. So one thought
serves all budgets, and only the answers are generated anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.generation.budget import ThinkTokens, thought_span
from pipeline.generation.characters import LONGEST_WAIT
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.loop import Rollout, generate
from pipeline.generation.sampling import GREEDY, Sampling


@dataclass(frozen=True)
class Cut:
    """A completion and the start of it that is kept, in ids, the last of them a thought's."""

    item: Judged
    kept: list[int]


def cut_thought(item: Judged, budget: int, think: ThinkTokens) -> Cut | None:
    """The completion cut after ``budget`` tokens of its thought, and the rest of a character; None when the thought is
    not longer."""
    span = thought_span(item.rollout.ids, think, opened=item.opened)
    if span is None or span[1] - span[0] <= budget:
        return None
    thought, end = item.rollout.ids[: span[1]], span[0] + budget
    latest = min(span[1], end + LONGEST_WAIT)
    while think.characters is not None and end < latest and not think.characters.whole(thought[span[0] : end]):
        end += 1
    return Cut(item, item.rollout.ids[:end]) if end < span[1] else None


def answer_from(completer: Completer, cuts: Sequence[Cut], sampling: Sampling = GREEDY) -> list[Judged]:
    """Each cut completion with its stop sentence, and the answer that the model gives from there.

    Sampled answers go on with their row's random stream at the place where they stand, so that they are what sampling
    under that budget gives.
    """
    think = completer.think
    forced = [think.forced(cut.item.prompt.language, _thought_tokens(cut, think)) for cut in cuts]
    answers = generate(
        completer.model,
        [[*cut.item.prefix, *cut.kept, *stop] for cut, stop in zip(cuts, forced, strict=True)],
        sampling,
        completer.max_new_tokens,
        [completer.tokenizer.eos_token_id],
        seeds=[cut.item.seed for cut in cuts],
        offsets=[len(cut.kept) + len(stop) for cut, stop in zip(cuts, forced, strict=True)],
    )
    judged = []
    for cut, stop, answer in zip(cuts, forced, answers, strict=True):
        room = max(0, completer.max_new_tokens - len(cut.kept) - len(stop))  # of the whole completion
        ids = [*cut.kept, *stop, *answer.ids[:room]]
        marks = [False] * len(cut.kept) + [True] * len(stop) + [False] * len(answer.ids[:room])
        ended = answer.ended and len(answer.ids) <= room
        judged.append(completer.judge_again(cut.item, Rollout(ids, marks, ended)))
    return judged


def _thought_tokens(cut: Cut, think: ThinkTokens) -> int:
    span = thought_span(cut.kept, think, opened=cut.item.opened)
    assert span is not None, "a cut lies within a thought"
    return span[1] - span[0]
