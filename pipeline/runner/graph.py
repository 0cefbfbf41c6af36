"""A recipe as a graph: stages in run order, each with its validated settings, its inputs and its own seed."""

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.runner.mechanism import Mechanism, load_mechanism
from pipeline.runner.settings import validate
from pipeline.seeds import derive_seed

EVALUATION = "_eval"


@dataclass(frozen=True)
class Stage:
    """``evaluates`` names the model-making stage of an evaluation that was added on composition."""

    name: str
    uses: str
    inputs: dict[str, str]
    settings: dict[str, Any]
    seed: int
    mechanism: Mechanism
    evaluates: str | None = None


class Graph:
    """Stages in run order: the recipe's order where the inputs allow, each evaluation right after its model."""

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = {stage.name: stage for stage in stages}

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    def __getitem__(self, name: str) -> Stage:
        if name not in self.stages:
            raise ColdstartError(f"no stage {name!r} in this recipe; {nearest(name, self.stages)}")
        return self.stages[name]

    def evaluation_of(self, name: str) -> Stage | None:
        return next((stage for stage in self if stage.evaluates == name), None)


def build_graph(
    recipe: Mapping[str, Mapping[str, Any] | None], evaluation: Mapping[str, Any] | None, seed: int
) -> Graph:
    """Check a composed recipe and put it in order.

    Args:
        recipe: stage name -> ``uses``, ``inputs`` and settings.
        evaluation: settings of the stage ``<name>_eval`` that each model-making stage gets; none when null.
        seed: of the run.

    Raises:
        ColdstartError: an unknown mechanism, stage, input or setting, an input of the wrong kind, a cycle.
    """
    # `load.revision` and the like may be null, a stage may not.
    entries = {name: dict(entry) for name, entry in recipe.items() if entry is not None}
    mechanisms = {
        name: _mechanism(name, entry, entries) for name, entry in entries.items() if _is_main(name, entry, entries)
    }
    evaluates: dict[str, str] = {}
    ordered: dict[str, dict[str, Any]] = {}
    for name in mechanisms:
        ordered[name] = entries[name]
        if evaluation and mechanisms[name].makes == "model":
            own = entries.get(name + EVALUATION, {})
            ordered[name + EVALUATION] = {**evaluation, **own, "inputs": {"model": name}}
            evaluates[name + EVALUATION] = name
    for name in evaluates:
        mechanisms[name] = _mechanism(name, ordered[name], ordered)
    stages = []
    for name in _run_order(ordered):
        entry, mechanism = ordered[name], mechanisms[name]
        _check_inputs(name, entry.get("inputs") or {}, mechanism, mechanisms)
        raw = {key: value for key, value in entry.items() if key not in ("uses", "inputs")}
        stages.append(
            Stage(
                name=name,
                uses=entry["uses"],
                inputs=dict(entry.get("inputs") or {}),
                settings=validate(name, mechanism, raw),
                seed=derive_seed(seed, name),
                mechanism=mechanism,
                evaluates=evaluates.get(name),
            )
        )
    return Graph(stages)


def _is_main(name: str, entry: Mapping[str, Any], entries: Mapping[str, Any]) -> bool:
    """Whether an entry is a stage of its own, not the settings of an evaluation that composition adds."""
    return "uses" in entry or not (name.endswith(EVALUATION) and name.removesuffix(EVALUATION) in entries)


def _mechanism(name: str, entry: Mapping[str, Any], entries: Mapping[str, Any]) -> Mechanism:
    if "uses" not in entry:
        others = [other for other in entries if "uses" in entries[other]]
        others += [other + EVALUATION for other in others]
        raise ColdstartError(f"stages.{name}: no such stage in this recipe; {nearest(name, others)}")
    return load_mechanism(entry["uses"], name)


def _check_inputs(
    name: str, inputs: Mapping[str, str], mechanism: Mechanism, mechanisms: Mapping[str, Mechanism]
) -> None:
    for key, source in inputs.items():
        if key not in mechanism.inputs:
            raise ColdstartError(f"stages.{name}.inputs: no input {key!r}; {nearest(key, mechanism.inputs)}")
        if source not in mechanisms:
            raise ColdstartError(f"stages.{name}.inputs.{key}: no stage {source!r}; {nearest(source, mechanisms)}")
        wanted, made = mechanism.inputs[key].kind, mechanisms[source].makes
        if wanted != made:
            raise ColdstartError(
                f"stages.{name}.inputs.{key}: stage {source!r} makes {made}, but {wanted} is read here"
            )
    for key, needed in mechanism.inputs.items():
        if needed.required and key not in inputs:
            raise ColdstartError(
                f"stages.{name}: input {key!r} ({needed.kind}) is missing; name a stage in stages.{name}.inputs.{key}"
            )


def _run_order(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Topological, and otherwise as written."""
    names = list(entries)
    sorter = graphlib.TopologicalSorter(
        {
            name: [source for source in (entries[name].get("inputs") or {}).values() if source in entries]
            for name in names
        }
    )
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ColdstartError(
            f"the recipe's stages form a cycle: {circle}; a stage cannot read what comes of it"
        ) from None
    order: list[str] = []
    ready: set[str] = set()
    while sorter.is_active():
        ready |= set(sorter.get_ready())
        following = min(ready, key=names.index)
        ready.remove(following)
        order.append(following)
        sorter.done(following)
    return order
