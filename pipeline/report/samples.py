"""Real completions of a run: one problem in each language through all stages, with what is wrong in them marked.

The problem and the sample are fixed by a rule that looks at no verdict, so that what is shown is not a choice.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.chat.modes import FLAG
from pipeline.chat.parse import CLOSE, OPEN
from pipeline.problems import Language
from pipeline.rewards.functions import CJK, LATIN, NOT_WORDS

SAMPLE_DIFFICULTY = 0.6
"""The problem is this far up the range of difficulties: neither trivial nor the hardest."""
LANGUAGES: tuple[Language, ...] = ("en", "zh")
NAMES = {"en": "English", "zh": "Chinese"}
LONGEST = 6000
"""Characters of a text that are shown; the middle of a longer one is left out, and that is said."""
OTHER = {"en": CJK, "zh": LATIN}
"""What is a word of the wrong language, by the language of the question, as the reward counts."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evaluated:
    """A model's completions: the stage, the file, and the stop sentence by language that its budgets put in."""

    stage: str
    path: Path
    stop_sentence: Mapping[str, str]


@dataclass(frozen=True)
class Piece:
    """A stretch of a thought: ``foreign`` words are in the wrong language, ``stop`` was put there by the budget."""

    text: str
    kind: Literal["plain", "foreign", "stop"] = "plain"


@dataclass(frozen=True)
class Sample:
    """One completion. ``thought`` is None where none can be told apart; ``answer`` is then the whole text."""

    part: str
    verdict: Literal["right", "wrong", "fault"]
    fault: str
    facts: str
    text: str
    thought: list[Piece] | None
    answer: str


@dataclass(frozen=True)
class Story:
    """One problem through all stages. ``parts``: what is shown of each, with its heading."""

    question: str
    gold: str
    language: Language
    parts: dict[str, str]
    stages: list[tuple[str, dict[str, Sample]]]


def read_stories(evaluated: Sequence[Evaluated]) -> list[Story]:
    """Reads each file once: the first to choose the problems, the others for these problems alone."""
    chosen: dict[str, Row] = {}
    found: list[tuple[Evaluated, list[Row]]] = []
    for source in evaluated:
        rows: Iterator[Row] | list[Row] = _first_samples(source.path)
        if not chosen:
            rows = list(rows)
            chosen = {question(row): row for language in LANGUAGES for row in _choose(rows, language)}
        found.append((source, [row for row in rows if question(row) in chosen]))
    return [_story(text, row, found) for text, row in chosen.items()]


def question(row: Row) -> str:
    """What is asked, without the flag that only some models are asked with."""
    return FLAG.sub("", row["prompt"][-1]["content"]).strip()


def _first_samples(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            part = row["part"]
            if row.get("sample", 0) == 0 and (part in ("think", "no_think") or part.startswith("budget_")):
                yield row


def _choose(rows: Sequence[Row], language: Language) -> list[Row]:
    """The first problem of the level, or none where there is none in this language."""
    mine = [row for row in rows if row.get("language") == language and row["part"] in ("think", "no_think")]
    levels = sorted({row.get("difficulty", 0) for row in mine})
    level = levels[int(SAMPLE_DIFFICULTY * (len(levels) - 1))] if levels else None
    return [row for row in mine if row.get("difficulty", 0) == level][:1]


def _story(text: str, chosen: Row, found: Sequence[tuple[Evaluated, list[Row]]]) -> Story:
    mine = [(source, [row for row in rows if question(row) == text]) for source, rows in found]
    parts = {"think": "thinking", "no_think": "not thinking"}
    budget = _middle_budget([row for _, rows in mine for row in rows])
    if budget is not None:
        parts[f"budget_{budget}"] = f"thinking, budget of {budget} tokens"
    stages = []
    for source, rows in mine:
        stop = source.stop_sentence.get(chosen["language"], "")
        first = {row["part"]: row for row in reversed(rows)}
        shown = {part: read_sample(first[part], stop) for part in parts if part in first}
        if shown:
            stages.append((source.stage, shown))
    used = {part: title for part, title in parts.items() if any(part in shown for _, shown in stages)}
    return Story(text, str(chosen.get("gold", "")), chosen["language"], used, stages)


def _middle_budget(rows: Sequence[Row]) -> int | None:
    """The middle one of the budgets that cut this problem's thought in the most stages; 0 leaves no thought to show."""
    cuts: dict[int, int] = {}
    for row in rows:
        if row["part"].startswith("budget_") and (budget := int(row["part"].removeprefix("budget_"))):
            cuts[budget] = cuts.get(budget, 0) + bool(row.get("cut"))
    most = sorted(budget for budget, count in cuts.items() if count == max(cuts.values()))
    return most[(len(most) - 1) // 2] if most else None


def read_sample(row: Row, stop_sentence: str) -> Sample:
    """Split a completion into thought and answer, also where its format is broken, and mark the thought."""
    text, fault = row["completion"], row.get("fault")
    verdict: Literal["right", "wrong", "fault"] = "fault" if fault else "right" if row.get("correct") else "wrong"
    thought, answer = None, text
    if text.startswith(OPEN):
        head, _, answer = text.removeprefix(OPEN).partition(CLOSE)
        stop = stop_sentence if row.get("cut") else ""
        thought = mark(shorten(head.strip("\n")), row.get("language", "en"), stop)
    tokens, share = row.get("thinking_tokens"), row.get("language_share")
    facts = [f"{tokens} thought token{'s' * (tokens != 1)}"] if tokens else []
    if share is not None and tokens:
        facts.append(f"{100 * share:.0f}% {NAMES.get(row.get('language', ''), 'in its language')}")
    if row["part"].startswith("budget_") and not row.get("cut"):
        facts.append("the thought fits")
    if row.get("truncated"):
        facts.append("ran out of tokens")
    return Sample(row["part"], verdict, fault or "", ", ".join(facts), text, thought, shorten(answer.strip("\n")))


def mark(thought: str, language: str, stop_sentence: str = "") -> list[Piece]:
    """The thought in pieces. A word counts as the language reward counts it: LaTeX, code and numbers are none."""
    stop = bool(stop_sentence) and thought.endswith(stop_sentence)
    own = thought.removesuffix(stop_sentence) if stop else thought
    words = NOT_WORDS.sub(lambda match: " " * len(match.group()), own)
    pieces, end = [], 0
    for match in OTHER[language].finditer(words):
        pieces += [Piece(own[end : match.start()]), Piece(own[match.start() : match.end()], "foreign")]
        end = match.end()
    pieces.append(Piece(own[end:]))
    if stop:
        pieces.append(Piece(stop_sentence, "stop"))
    return [piece for piece in pieces if piece.text]


def shorten(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
