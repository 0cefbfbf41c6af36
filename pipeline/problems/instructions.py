"""Instructions that a rule can check: an extra that a question may ask for, and that nothing else may contain.

Each kind has one wording for each language, a way to obey it (for data) and a place around the boxed answer: a lead
before everything, a wrap right around the box, a tail after everything. Kinds of different places can be asked for
together, and the answer that obeys them all is then one text, whatever the order they were asked in. So the check is
exact about the answer as a whole: an extra that was not asked for costs as much as a missing one.

The kinds are small relatives of IFEval's (arXiv 2311.07911): start and end checkers, title, bullets, quotation,
highlighted sections, postscript.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Literal

from pipeline.problems.problem import Language

Place = Literal["lead", "wrap", "tail"]
INSIDE_OUT: tuple[Place, ...] = ("wrap", "lead", "tail")
"""The order in which extras are put around the box."""
AND: dict[Language, str] = {"en": " and ", "zh": " 并 "}


@dataclass(frozen=True)
class Instruction:
    """``extra`` by language: ``{}`` stands for the answer so far."""

    name: str
    place: Place
    wording: dict[Language, str]
    extra: dict[Language, str]


INSTRUCTIONS: dict[str, Instruction] = {
    instruction.name: instruction
    for instruction in (
        Instruction("begin_with", "lead", {"en": "begin with ok", "zh": "以 好 开头"}, {"en": "ok {}", "zh": "好 {}"}),
        Instruction("title", "lead", {"en": "give a title", "zh": "写 标题"}, {"en": "<<x>> {}", "zh": "《x》 {}"}),
        Instruction("bullet", "lead", {"en": "use a bullet", "zh": "用 列表"}, {"en": "- {}", "zh": "- {}"}),
        Instruction("quote", "wrap", {"en": "put in quotes", "zh": "加 引号"}, {"en": '"{}"', "zh": "“{}”"}),
        Instruction("highlight", "wrap", {"en": "put in bold", "zh": "加 粗"}, {"en": "**{}**", "zh": "**{}**"}),
        Instruction("end_with", "tail", {"en": "end with done", "zh": "以 完 结尾"}, {"en": "{} done", "zh": "{} 完"}),
        Instruction(
            "postscript", "tail", {"en": "add a note", "zh": "加 附注"}, {"en": "{} PS bye", "zh": "{} 又及 再见"}
        ),
    )
}

PAIRS: tuple[tuple[str, str], ...] = tuple(
    (first, second)
    for first, second in combinations(sorted(INSTRUCTIONS), 2)
    if INSTRUCTIONS[first].place != INSTRUCTIONS[second].place
)
"""The kinds that can be asked for together."""


def draw_instructions(rng: Random, pairs: float) -> tuple[str, ...]:
    """One kind, or two that go together with probability ``pairs``."""
    if rng.random() < pairs:
        pair = list(rng.choice(PAIRS))
        rng.shuffle(pair)
        return tuple(pair)
    return (rng.choice(sorted(INSTRUCTIONS)),)


def ask(question: str, names: Sequence[str], language: Language) -> str:
    """The question with its instructions in words."""
    if not names:
        return question
    return f"{question} {AND[language].join(INSTRUCTIONS[name].wording[language] for name in names)}"


def obey(answer: str, names: Sequence[str], language: Language) -> str:
    """The answer with all of the extras."""
    for place in INSIDE_OUT:
        for name in names:
            if INSTRUCTIONS[name].place == place:
                answer = INSTRUCTIONS[name].extra[language].replace("{}", answer)
    return answer


def followed(answer: str, boxed: str, names: Sequence[str], language: Language) -> bool:
    """Whether the visible answer is the boxed value with exactly the asked extras, or with none when none was asked."""
    return answer.strip() == obey(f"\\boxed{{{boxed}}}", names, language)
