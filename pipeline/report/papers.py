"""The papers' own figures for the stages of a recipe, to hold a run's directions against. In percent, as printed.

Other models and other problems: levels do not compare, and a report says so beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.report.tables import Cell, Row, Stage, Table

Measure = Literal["think", "no_think", "mode", "instruction"]
MEASURES: dict[Measure, str] = {
    "think": "thinking",
    "no_think": "not thinking",
    "mode": "mode following",
    "instruction": "instruction following",
}


@dataclass(frozen=True)
class PaperStage:
    """One row of a paper's table. ``since``: the stage that it started from, where the table has it."""

    label: str
    figures: Mapping[Measure, float]
    since: str | None = None


@dataclass(frozen=True)
class PaperTable:
    """Figures of one model by stage of the recipe; a key that is no stage is the paper's alternative to one."""

    model: str
    paper: str
    arxiv: str
    table: str
    measured: Mapping[Measure, str]
    stages: Mapping[str, PaperStage]
    note: str = ""

    @property
    def link(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}"


QWEN3 = "Qwen3 Technical Report"
QWEN3_ARXIV = "2505.09388"

PAPERS: dict[str, tuple[PaperTable, ...]] = {
    "qwen3": (
        PaperTable(
            "Qwen3-32B",
            QWEN3,
            QWEN3_ARXIV,
            "Table 22",
            {
                "think": "AIME'24",
                "no_think": "AIME'24",
                "mode": "ThinkFollow",
                "instruction": "IFEval",
            },
            {
                "reasoning_rl": PaperStage("stage 2, reasoning RL", {"think": 83.8, "instruction": 73.0}),
                "fusion": PaperStage(
                    "stage 3, thinking-mode fusion",
                    {"think": 81.9, "no_think": 28.5, "mode": 88.7, "instruction": 78.4},
                    since="reasoning_rl",
                ),
                "general_rl": PaperStage(
                    "stage 4, general RL",
                    {"think": 81.4, "no_think": 31.0, "mode": 98.9, "instruction": 85.0},
                    since="fusion",
                ),
            },
        ),
        PaperTable(
            "Qwen3-8B",
            QWEN3,
            QWEN3_ARXIV,
            "Table 21",
            {"think": "AIME'24"},
            {
                "distill_offline": PaperStage("off-policy distillation", {"think": 55.0}),
                "rl_instead": PaperStage("+ reinforcement learning", {"think": 67.6}, since="distill_offline"),
                "distill": PaperStage("+ on-policy distillation", {"think": 74.4}, since="distill_offline"),
            },
            "In the paper, RL took 17,920 GPU-hours and on-policy distillation 1,800.",
        ),
    ),
    "r1_zero": (
        PaperTable(
            "DeepSeek-R1-Zero",
            "DeepSeek-R1",
            "2501.12948",
            "version 2, Table 3; the base's figure from its text",
            {"think": "AIME'24", "instruction": "IF-Eval"},
            {
                "base": PaperStage("DeepSeek-V3-Base", {"think": 15.6}),
                "reasoning_rl": PaperStage("R1-Zero", {"think": 77.9, "instruction": 46.6}, since="base"),
            },
            "Version 1 of the paper gives 71.0 after RL.",
        ),
    ),
}


def _here(metrics: Mapping[str, Any], measure: Measure) -> float | None:
    """This run's counterpart of a paper's measure, in percent."""
    found = {
        "think": metrics.get("think", {}).get("accuracy"),
        "no_think": metrics.get("no_think", {}).get("accuracy"),
        "mode": metrics.get("think_follow", {}).get("share", metrics.get("mode_following")),
        "instruction": metrics.get("instruction_following"),
    }[measure]
    return None if found is None else 100 * found


def _change(value: float | None, before: float | None) -> Cell:
    if value is None:
        return Cell()
    return Cell(f"{value:.1f}", "" if before is None else f"({value - before:+.1f})".replace("-", "−"))


def paper_table(stages: Sequence[Stage], paper: PaperTable) -> Table:
    """A paper's figures and this run's side by side, each with its change since the stage that it started from."""
    metrics = {stage["name"]: stage["metrics"] for stage in stages}
    rows = []
    for name, entry in paper.stages.items():
        since = paper.stages[entry.since].figures if entry.since else {}
        cells = []
        for measure in paper.measured:
            cells.append(_change(entry.figures.get(measure), since.get(measure)))
            cells.append(
                _change(_here(metrics.get(name, {}), measure), _here(metrics.get(entry.since or "", {}), measure))
            )
        rows.append(Row(name if name in metrics else "(no stage)", cells, [entry.label]))
    head = ["stage", *(word for benchmark in paper.measured.values() for word in (benchmark, "here"))]
    return Table(head, rows, [("", 1), *((MEASURES[measure], 2) for measure in paper.measured)])
