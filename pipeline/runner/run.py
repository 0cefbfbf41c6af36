"""Run a plan, one stage after the other: each from a serialised request to a sealed artifact, the ledger kept true."""

import importlib.metadata
import logging
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.artifacts.store import (
    REQUEST,
    Manifest,
    check_files,
    content_hash,
    list_files,
    open_workspace,
    read_manifest,
    recover,
    seal,
)
from pipeline.runner.execute import execute
from pipeline.runner.graph import Graph, Stage
from pipeline.runner.ledger import build_ledger, save_ledger
from pipeline.runner.plan import Selection, Step, plan_stage, require_inputs
from pipeline.runner.request import Request
from pipeline.tracking import Tracker

logger = logging.getLogger(__name__)
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "numpy")


class Watcher(Protocol):
    """Whoever shows a run to people."""

    def started(self, stage: Stage, step: Step) -> None: ...
    def progress(self, done: float, total: float, note: str) -> None: ...
    def finished(self, stage: Stage, manifest: Manifest, seconds: float) -> None: ...


@dataclass(frozen=True)
class Run:
    """What one command is about.

    Attributes:
        sink: gets each row of metrics with its keys prefixed by the stage (wandb), None without.
        on_change: called with the ledger after each stage (the report).
    """

    folder: Path
    graph: Graph
    recipe: str
    scale: str
    seed: int
    threads: int
    selection: Selection
    sink: Callable[[Mapping[str, float]], None] | None = None
    on_change: Callable[[dict[str, Any]], None] | None = None


def run_graph(run: Run, watcher: Watcher) -> list[Step]:
    """Bring every selected stage to completion; returns the stages that ran.

    Raises:
        ColdstartError: a damaged artifact, an input that is not made; whatever a stage raises is passed on, with the
            ledger saying which stage failed and everything that was finished still in place.
    """
    run.selection.check(run.graph)
    steps: dict[str, Step] = {}
    status: dict[str, str] = {}
    ran: list[Step] = []
    installed = versions()
    for stage in run.graph:
        recover(run.folder / stage.name)

    def publish() -> dict[str, Any]:
        known = {s.name: steps.get(s.name) or _unplanned(s, run.folder) for s in run.graph}
        ledger = build_ledger(run.graph, known, status, run.recipe, run.scale, run.seed, run.folder)
        save_ledger(run.folder, ledger)
        return ledger

    for stage in run.graph:
        step = plan_stage(stage, run.graph, run.folder, run.selection, steps)
        steps[stage.name] = step
        if step.action in ("cached", "left out"):
            if step.manifest:
                _warn_versions(stage, step.manifest, installed)
            continue
        require_inputs(stage, steps)
        status[stage.name] = "running"
        publish()
        watcher.started(stage, step)
        try:
            manifest, seconds = _run_stage(stage, step, run, steps, watcher)
        except KeyboardInterrupt:
            del status[stage.name]  # neither failed nor running: it is still to be done
            publish()
            raise
        except BaseException:
            status[stage.name] = "failed"
            publish()
            raise
        steps[stage.name] = Step(stage, "cached", step.why, manifest.fingerprint, manifest)
        status[stage.name] = "done"
        ran.append(step)
        watcher.finished(stage, manifest, seconds)
        ledger = publish()
        if run.on_change:
            run.on_change(ledger)
    publish()
    return ran


def _unplanned(stage: Stage, folder: Path) -> Step:
    manifest = read_manifest(folder / stage.name)
    return Step(stage, "may run", "", manifest.fingerprint if manifest else None, manifest)


def _run_stage(
    stage: Stage, step: Step, run: Run, steps: Mapping[str, Step], watcher: Watcher
) -> tuple[Manifest, float]:
    folder = run.folder / stage.name
    assert step.fingerprint is not None, "the inputs of a stage that runs are complete"
    inputs = {}
    for name, source in stage.inputs.items():
        manifest = steps[source].manifest
        assert manifest is not None
        check_files(run.folder / source, manifest, full=True)
        inputs[name] = {"stage": source, "content": manifest.content}
    workspace, resumed = open_workspace(folder, step.fingerprint)
    request = Request(
        stage=stage.name,
        uses=stage.uses,
        settings=stage.settings,
        inputs={name: str((run.folder / source).resolve()) for name, source in stage.inputs.items()},
        output=str(workspace.resolve()),
        seed=stage.seed,
        threads=run.threads,
        fingerprint=step.fingerprint,
    )
    request.save(workspace / REQUEST)
    spent_file = workspace / "trainer" / "seconds"  # compute of earlier, interrupted tries
    spent = float(spent_file.read_text()) if resumed and spent_file.is_file() else 0.0
    logger.info("stage %s (%s): %s, %s", stage.name, stage.uses, step.action, step.why)
    started, clock = datetime.now().astimezone(), time.monotonic()

    def progress(done: float, total: float, note: str) -> None:
        if spent_file.parent.is_dir():
            spent_file.write_text(str(spent + time.monotonic() - clock))
        watcher.progress(done, total, note)

    metrics = execute(workspace / REQUEST, Tracker(workspace, stage.name, progress, run.sink))
    seconds = time.monotonic() - clock
    if not stage.settings.get("keep_checkpoints"):
        shutil.rmtree(workspace / "trainer", ignore_errors=True)
    files = list_files(workspace)
    manifest = Manifest(
        stage=stage.name,
        uses=stage.uses,
        fingerprint=step.fingerprint,
        inputs=inputs,
        settings=stage.settings,
        started=started.isoformat(timespec="seconds"),
        seconds=spent + seconds,
        world_size=1,
        versions=versions(),
        files=files,
        content=content_hash(files),
        metrics=metrics,
    )
    seal(workspace, folder, manifest)
    logger.info("stage %s: complete in %.1f s", stage.name, seconds)
    return manifest, seconds


def versions() -> dict[str, str]:
    """Of the packages that results depend on, and the commit of this code where it is a checkout."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    root = Path(__file__).resolve().parents[2]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    if commit.returncode == 0:
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        found["git"] = commit.stdout.strip() + (" with changes" if changed.stdout.strip() else "")
    return found


def _warn_versions(stage: Stage, manifest: Manifest, installed: Mapping[str, str]) -> None:
    for package, version in manifest.versions.items():
        now = installed.get(package)
        if package in PACKAGES and now != version:
            state = f"{now} is installed" if now else "none is installed"
            logger.warning("stage %s was made with %s %s, now %s", stage.name, package, version, state)
