"""What a person sees of a run: a live bar with its ETA in a terminal, a line for each stage elsewhere."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.artifacts.store import Manifest
from pipeline.runner.graph import Stage
from pipeline.runner.plan import Step
from pipeline.tracking import Progress as Progressed

logger = logging.getLogger(__name__)
COLOURS = {"cached": "green", "runs": "yellow", "resumes": "yellow", "may run": "cyan", "left out": "bright_black"}


class Display:
    """Watches a run (:class:`pipeline.runner.run.Watcher`). Use it as a context manager."""

    def __init__(self, console: Console, stages: int) -> None:
        self.console, self.stages, self.count = console, stages, 0
        self.bars = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> "Display":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def started(self, stage: Stage, step: Step) -> None:
        self.count += 1
        self.task = self.bars.add_task(stage.name, total=None, note=step.why)
        if not self.console.is_terminal:
            self.console.print(f"{stage.name} ({stage.uses}): {step.action}, {step.why}", markup=False)

    def progress(self, done: float, total: float, note: str) -> None:
        if self.task is not None:
            self.bars.update(self.task, completed=done, total=total or None, note=note or f"{done:.0f}/{total:.0f}")

    def finished(self, stage: Stage, manifest: Manifest, seconds: float) -> None:
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None
        self.console.print(f"  {stage.name:<22} {seconds:6.1f} s   {headline(manifest)}", markup=False, highlight=False)


@contextmanager
def one_bar(console: Console, name: str) -> Iterator[Progressed]:
    """A live bar for a command of one piece, in a terminal; nothing elsewhere."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None, note="")
        yield lambda done, total, note: bars.update(task, completed=done, total=total or None, note=note)


def headline(manifest: Manifest) -> str:
    """The figures that say most of a stage, on one line."""
    metrics, parts = manifest.metrics, []
    for mode in ("think", "no_think"):
        if mode in metrics:
            low, high = metrics[mode]["ci95"]
            parts.append(f"{mode} {metrics[mode]['accuracy']:.3f} [{low:.3f}, {high:.3f}]")
    for key in ("mode_following", "instruction_following", "text_accuracy", "last_loss"):
        if key in metrics:
            parts.append(f"{key} {metrics[key]:.3f}")
    for key in ("rows", "selected", "steps"):
        if key in metrics:
            parts.append(f"{key} {metrics[key]}")
    if metrics.get("capped"):
        parts.append("CAPPED before its gate was passed")
    return ", ".join(parts)


def plan_table(steps: Sequence[Step], run_folder: str) -> Table:
    """The plan for people, with the figures of what is there."""
    table = Table(title=f"plan of {run_folder}", title_justify="left", box=None, pad_edge=False)
    for column in ("stage", "uses", "what", "why", "figures"):
        table.add_column(column, overflow="fold")
    for step in steps:
        figures = headline(step.manifest) if step.manifest else ""
        colour = COLOURS[step.action]
        table.add_row(
            step.stage.name, step.stage.uses, f"[{colour}]{step.action}[/]", escape(step.why), escape(figures)
        )
    return table
