"""The procedural corpus that a base model is made from: facts, direct answers and worked problems of one family.

Its mix is the prototype's: what a later stage has to teach must exist here as a possibility (instructions that are
sometimes followed, tags that mean nothing), or that stage teaches "always" instead of "when asked".
"""

from dataclasses import dataclass
from random import Random

from pipeline.chat.modes import MODES, with_flag
from pipeline.chat.parse import render_completion
from pipeline.problems.instructions import ask, draw_instructions, obey
from pipeline.problems.problem import LANGUAGES, Family, Problem
from pipeline.problems.thoughts import Thought, write_thought


@dataclass
class CorpusSettings:
    """Shares are of all documents unless they say otherwise."""

    facts: float = 0.15
    direct: float = 0.15
    direct_short: float = 0.4
    """Share of direct answers with at most two steps: the only ones that can be learned."""
    chat: float = 0.35
    """Share of problems in chat form."""
    think_blocks: float = 0.0
    """Share of thoughts that stand in a think block. None where a cold start teaches it; for RL on the base some."""
    think_stop: float = 0.0
    """Probability, after each step of those, that the thought ends there and answers the value reached."""
    tags: float = 0.3
    """Share of problems that carry /think or /no_think as noise, so that the tags stay harmless until fusion."""
    instructions: float = 0.2
    pairs: float = 0.3
    """Share of instructed documents that carry two."""
    followed: float = 0.7
    """Share of instructions that the text obeys."""
    mix: float = 0.25
    """Share of thoughts whose connectives are in both languages."""
    same_language: float = 0.65
    """Probability that a thought is in its question's language, beyond chance."""


@dataclass(frozen=True)
class Document:
    """``question`` is None for a document that is no problem."""

    question: str | None
    response: str
    chat: bool


def write_document(family: Family, settings: CorpusSettings, rng: Random, hardest: int) -> Document:
    """One document; problems are from the training split, of difficulty 1 to ``hardest``."""
    kind = rng.random()
    if kind < settings.facts:
        facts = [fact for _ in range(rng.randint(2, 6)) if (fact := family.fact(rng)) is not None]
        if facts:
            return Document(None, "\n".join(facts), chat=False)
    direct = kind < settings.facts + settings.direct
    top = min(2, hardest) if direct and rng.random() < settings.direct_short else hardest
    problem = family.draw(rng, "train", (1, top))
    question, answer = problem.question, f"\\boxed{{{problem.answer}}}"
    if rng.random() < settings.instructions:
        instructions = draw_instructions(rng, settings.pairs)
        question = ask(question, instructions, problem.language)
        if rng.random() < settings.followed:
            answer = obey(answer, instructions, problem.language)
    if rng.random() < settings.tags:
        question = with_flag(question, rng.choice(MODES))
    chat = rng.random() < settings.chat
    if direct:
        return Document(question, answer, chat)
    if settings.think_blocks and rng.random() < settings.think_blocks:
        thought = _thought(problem, settings, rng, settings.think_stop)
        answer = answer.replace(f"{{{problem.answer}}}", f"{{{thought.value}}}")
        return Document(question, render_completion(thought.text, answer), chat)
    return Document(question, f"{_thought(problem, settings, rng).text}\n\n{answer}", chat)


def _thought(problem: Problem, settings: CorpusSettings, rng: Random, stop: float = 0.0) -> Thought:
    keeps = rng.random() < settings.same_language
    language = problem.language if keeps else rng.choice(LANGUAGES)
    mix = 0.5 if rng.random() < settings.mix else 0.0
    return write_thought(problem, rng, mix=mix, stop=stop, language=language)
