"""What ``run`` would do, and why. Reads manifests, runs nothing, imports no engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.artifacts.store import Manifest, can_resume, check_files, read_manifest, standing
from pipeline.errors import ColdstartError
from pipeline.runner.fingerprint import changed_settings, fingerprint
from pipeline.runner.graph import Graph, Stage
from pipeline.runner.settings import result_settings

Action = Literal["cached", "runs", "resumes", "may run", "left out"]


@dataclass(frozen=True)
class Step:
    """One stage's place in a plan. ``fingerprint`` is None while an input is still to be made."""

    stage: Stage
    action: Action
    why: str
    fingerprint: str | None
    manifest: Manifest | None


@dataclass(frozen=True)
class Selection:
    """Which stages a command is about; an evaluation goes with its model."""

    only: Sequence[str] = ()
    until: str | None = None
    rerun: Sequence[str] = ()

    @property
    def is_partial(self) -> bool:
        return bool(self.only or self.until)

    def check(self, graph: Graph) -> None:
        for name in (*self.only, *([self.until] if self.until else []), *self.rerun):
            graph[name]

    def includes(self, graph: Graph, stage: Stage) -> bool:
        if self.only:
            return stage.name in self.only or stage.evaluates in self.only
        if self.until:
            names = list(graph.stages)
            evaluation = graph.evaluation_of(self.until)
            last = evaluation.name if evaluation else self.until
            return names.index(stage.name) <= names.index(last)
        return True


def make_plan(graph: Graph, run_folder: Path, selection: Selection, verify: bool = False) -> list[Step]:
    """Decide for each stage, in run order. ``verify`` hashes every file of every complete artifact.

    Raises:
        ColdstartError: an unknown stage in the selection, a damaged artifact.
    """
    selection.check(graph)
    steps: dict[str, Step] = {}
    for stage in graph:
        steps[stage.name] = plan_stage(stage, graph, run_folder, selection, steps, verify)
    return list(steps.values())


def plan_stage(
    stage: Stage,
    graph: Graph,
    run_folder: Path,
    selection: Selection,
    before: dict[str, Step],
    verify: bool = False,
) -> Step:
    """Decide for one stage, given the steps of the stages that it reads."""
    folder = standing(run_folder / stage.name)
    forced = stage.name in selection.rerun
    manifest = read_manifest(folder)
    if manifest and not forced:
        check_files(folder, manifest, full=verify)
    selected = selection.includes(graph, stage)
    unsure = [source for source in stage.inputs.values() if before[source].action not in ("cached", "left out")]
    contents = {
        name: before[source].manifest.content  # type: ignore[union-attr]
        for name, source in stage.inputs.items()
        if before[source].manifest is not None
    }
    mark = fingerprint(stage, contents) if not unsure and len(contents) == len(stage.inputs) else None

    if not selected:
        state = "complete" if manifest and mark == manifest.fingerprint else "stale" if manifest else "not there"
        return Step(stage, "left out", state, mark, manifest)
    if mark and manifest and manifest.fingerprint == mark and not forced:
        return Step(stage, "cached", "complete", mark, manifest)
    why = _why(stage, manifest, contents, mark, unsure, forced)
    if mark and can_resume(run_folder / stage.name, mark):
        return Step(stage, "resumes", "has unfinished work", mark, manifest)
    if manifest and mark is None and not forced and why.startswith("input"):
        return Step(stage, "may run", why, mark, manifest)
    return Step(stage, "runs", why, mark, manifest)


def _why(
    stage: Stage,
    manifest: Manifest | None,
    contents: dict[str, str],
    mark: str | None,
    unsure: list[str],
    forced: bool,
) -> str:
    if forced:
        return "asked for by rerun"
    if manifest is None:
        return "not made yet"
    if manifest.uses != stage.uses:
        return f"uses: {manifest.uses} -> {stage.uses}"
    changed = changed_settings(
        result_settings(stage.mechanism, manifest.settings), result_settings(stage.mechanism, stage.settings)
    )
    if changed:
        return "; ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    if unsure:
        return f"input {unsure[0]} is made anew, and may come out the same"
    for name in (*stage.inputs, *manifest.inputs):
        if manifest.inputs.get(name, {}).get("content") != contents.get(name):
            return f"input {name} ({stage.inputs.get(name, 'none')}) has changed"
    return "its seed, a file that it reads or its mechanism's revision has changed"


def require_inputs(stage: Stage, steps: dict[str, Step]) -> None:
    """Raises ColdstartError when a stage that runs reads one that is neither complete nor part of the run."""
    for source in stage.inputs.values():
        if steps[source].manifest is None:
            raise ColdstartError(
                f"stage {stage.name!r} reads {source!r}, which is not made yet; run that first (until={source})"
            )
