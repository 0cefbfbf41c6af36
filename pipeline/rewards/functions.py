"""The rewards. Each is a plain function of what a completion says and what its prompt asked for, from 0 to 1.

None means that a reward does not apply to this prompt, and TRL then leaves it out of the sum. None of them gates
another: "accuracy only in the right format" is composition (:mod:`pipeline.rewards.compose`).
"""

import re
from collections.abc import Callable

from pipeline.chat.parse import Completion
from pipeline.problems import Language, verify
from pipeline.problems.instructions import followed
from pipeline.problems.prompts import Prompt
from pipeline.rewards.sorting import sorting_distance, sorting_inclusion

Reward = Callable[[Completion, Prompt], float | None]

# What is no word of a language: LaTeX, code, commands, numbers.
NOT_WORDS = re.compile(r"\$[^$]*\$|```.*?```|\\\w+|\d+", re.DOTALL)
# Latin words of two letters and more (single letters are names of variables), and runs of CJK characters.
LATIN, CJK = re.compile(r"[A-Za-z\u00c0-\u024f]{2,}"), re.compile(r"[\u3400-\u9fff]+")


def accuracy(completion: Completion, prompt: Prompt) -> float:
    """1 for exactly one boxed answer, outside the thought, that the problem's verifier accepts."""
    boxed = completion.boxed
    return float(boxed is not None and verify(boxed, prompt.problem))


def format(completion: Completion, prompt: Prompt) -> float:
    """1 for a completion that is well-formed to the letter and ended by its end token (pipeline.chat.parse)."""
    return float(completion.fault is None)


def language_share(text: str, language: Language) -> float:
    """Share of the words of ``text`` that are in ``language``, as R1's language reward counts; 0 without any word.

    DeepSeek-R1, section 2.3.2: ``Num(words in the target language) / Num(words)``. A run of CJK characters counts as
    one word, which for thoughts that mix single connectives is what a segmenter gives.
    """
    text = NOT_WORDS.sub(" ", text)
    counts: dict[Language, int] = {"en": len(LATIN.findall(text)), "zh": len(CJK.findall(text))}
    total = sum(counts.values())
    return counts[language] / total if total else 0.0


def language(completion: Completion, prompt: Prompt) -> float | None:
    """Language consistency of the thought with the question; does not apply where no thought was asked for."""
    return language_share(completion.thought, prompt.language) if prompt.mode == "think" else None


def mode(completion: Completion, prompt: Prompt) -> float:
    """1 when the completion thinks exactly if it was asked to."""
    return float(completion.mode == prompt.mode)


def instruction(completion: Completion, prompt: Prompt) -> float:
    """1 when the answer is the boxed value with just the extras that were asked for: an unasked one costs as much."""
    boxed = completion.boxed
    return float(boxed is not None and followed(completion.answer, boxed, prompt.instructions, prompt.language))


REWARDS: dict[str, Reward] = {
    "accuracy": accuracy,
    "format": format,
    "language": language,
    "mode": mode,
    "instruction": instruction,
    "sorting_distance": sorting_distance,
    "sorting_inclusion": sorting_inclusion,
}
