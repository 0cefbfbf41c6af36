"""``ledger.json``: one object that says what a run has made, at what cost, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts.store import write_json
from pipeline.runner.graph import Graph
from pipeline.runner.plan import Step

LEDGER = "ledger.json"


def build_ledger(
    graph: Graph, steps: Mapping[str, Step], status: Mapping[str, str], recipe: str, scale: str, seed: int, run: Path
) -> dict[str, Any]:
    """The ledger as it stands. ``status``: of each stage in this command, where it has one.

    A model-making stage carries the figures of its evaluation beside its training's. ``wall_seconds`` is the compute
    behind the artifacts that are there, which a command that does nothing leaves as it is.
    """
    stages, seconds = [], 0.0
    for stage in graph:
        step = steps[stage.name]
        manifest = step.manifest
        evaluation = graph.evaluation_of(stage.name)
        metrics = dict(manifest.metrics) if manifest else {}
        if evaluation and (measured := steps[evaluation.name].manifest) and _belongs(measured, manifest):
            metrics |= measured.metrics
        seconds += manifest.seconds if manifest else 0.0
        stages.append(
            {
                "name": stage.name,
                "uses": stage.uses,
                "status": status.get(stage.name) or _status(step),
                "fingerprint": manifest.fingerprint if manifest else None,
                "seconds": round(manifest.seconds, 2) if manifest else None,
                "model": str(run / stage.name / "model") if manifest and stage.mechanism.makes == "model" else None,
                "metrics": {"evaluates": stage.evaluates} if stage.evaluates else metrics,
            }
        )
    return {"recipe": recipe, "scale": scale, "seed": seed, "wall_seconds": round(seconds, 2), "stages": stages}


def _belongs(measured: Any, manifest: Any) -> bool:
    """Whether an evaluation is of the model that is there now."""
    return manifest is not None and measured.inputs.get("model", {}).get("content") == manifest.content


def _status(step: Step) -> str:
    if step.action == "cached":
        return "cached"
    if step.manifest is None:
        return "pending"
    return "cached" if step.fingerprint == step.manifest.fingerprint else "stale"


def save_ledger(run_folder: Path, ledger: Mapping[str, Any]) -> None:
    write_json(run_folder / LEDGER, ledger)
