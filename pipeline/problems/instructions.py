"""Instructions that a rule can check: an extra that a question may ask for, and that nothing else may contain.

Each kind has one wording for each language, a way to obey it (for data) and a check (for rewards and evaluation). The
check is exact about the answer as a whole, so that an extra which was not asked for costs as much as a missing one.
"""

from dataclasses import dataclass

from pipeline.problems.problem import Language


@dataclass(frozen=True)
class Instruction:
    """Ask for ``word`` before or after the boxed answer."""

    name: str
    wording: dict[Language, str]
    word: dict[Language, str]
    before: bool

    def ask(self, question: str, language: Language) -> str:
        return f"{question} {self.wording[language]}"

    def obey(self, answer: str, language: Language) -> str:
        word = self.word[language]
        return f"{word} {answer}" if self.before else f"{answer} {word}"


INSTRUCTIONS: dict[str, Instruction] = {
    instruction.name: instruction
    for instruction in (
        Instruction("begin_with", {"en": "begin with ok", "zh": "以 好 开头"}, {"en": "ok", "zh": "好"}, before=True),
        Instruction("end_with", {"en": "end with done", "zh": "以 完 结尾"}, {"en": "done", "zh": "完"}, before=False),
    )
}


def followed(answer: str, boxed: str, instruction: str | None, language: Language) -> bool:
    """Whether the visible answer is the boxed value with exactly the asked extra, or with none when none was asked."""
    bare = f"\\boxed{{{boxed}}}"
    expected = INSTRUCTIONS[instruction].obey(bare, language) if instruction else bare
    return answer.strip() == expected
