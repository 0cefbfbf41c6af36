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


def build_graph(recipe: Any, evaluation: Any, seed: int) -> Graph:
    """Check a composed recipe and put it in order.

    Args:
        recipe: stage name -> ``uses``, ``inputs`` and settings; a stage that is null is left out.
        evaluation: settings of the stage ``<name>_eval`` that each model-making stage gets, which the recipe's entry of
            that name may change; none when null.
        seed: of the run.

    Raises:
        ColdstartError: an unknown mechanism, stage, input or setting, an input of the wrong kind, a cycle, or anything
            of a wrong shape.
    """
    if evaluation is not None and not isinstance(evaluation, Mapping):
        raise ColdstartError(f"evaluation: {evaluation!r} is not a group of settings")
    entries = _read_entries(recipe)
    own = {name: entry for name, entry in entries.items() if _evaluated(name) not in recipe}
    mechanisms = {name: _mechanism(name, entry, list(own)) for name, entry in own.items()}
    for name in entries.keys() - own.keys():
        model = _evaluated(name)
        if model in mechanisms and mechanisms[model].makes != "model":
            models = [other + EVALUATION for other in mechanisms if mechanisms[other].makes == "model"]
            raise ColdstartError(f"stages.{name}: {model!r} makes no model to evaluate; {nearest(name, models)}")

    evaluates: dict[str, str] = {}
    ordered: dict[str, dict[str, Any]] = {}
    for name in _run_order(own):
        ordered[name] = own[name]
        if evaluation is not None and mechanisms[name].makes == "model":
            measured = name + EVALUATION
            ordered[measured] = {**evaluation, **entries.get(measured, {}), "inputs": {"model": name}}
            mechanisms[measured] = _mechanism(measured, ordered[measured], list(own))
            evaluates[measured] = name
    stages = []
    for name, entry in ordered.items():
        _check_inputs(name, entry["inputs"], mechanisms[name], mechanisms)
        raw = {key: value for key, value in entry.items() if key not in ("uses", "inputs")}
        stages.append(
            Stage(
                name=name,
                uses=entry["uses"],
                inputs=entry["inputs"],
                settings=validate(name, mechanisms[name], raw),
                seed=derive_seed(seed, name),
                mechanism=mechanisms[name],
                evaluates=evaluates.get(name),
            )
        )
    return Graph(stages)


def _read_entries(recipe: Any) -> dict[str, dict[str, Any]]:
    """The stages that are not null, each with its inputs as a mapping of names (an input that is null is none)."""
    if not isinstance(recipe, Mapping):
        raise ColdstartError(f"stages: {recipe!r} is not a group of stages")
    entries = {}
    for name, entry in recipe.items():
        if entry is None:
            continue
        if not isinstance(entry, Mapping):
            raise ColdstartError(f"stages.{name}: {entry!r} is not a group of settings")
        inputs = {} if entry.get("inputs") is None else entry["inputs"]
        if not isinstance(inputs, Mapping):
            raise ColdstartError(f"stages.{name}.inputs: {inputs!r} does not say which input comes from which stage")
        for key, source in inputs.items():
            if source is not None and not isinstance(source, str):
                raise ColdstartError(f"stages.{name}.inputs.{key}: {source!r} is not the name of a stage")
        entries[name] = {**entry, "inputs": {key: source for key, source in inputs.items() if source is not None}}
    return entries


def _evaluated(name: str) -> str | None:
    """The stage that ``<name>_eval`` evaluates; None for any other name."""
    return name.removesuffix(EVALUATION) if name.endswith(EVALUATION) else None


def _mechanism(name: str, entry: Mapping[str, Any], stages: list[str]) -> Mechanism:
    if "uses" not in entry:
        others = [other for other in stages if other != name]
        raise ColdstartError(
            f"stages.{name}: no such stage in this recipe; "
            f"{nearest(name, [*others, *(other + EVALUATION for other in others)])}"
        )
    if not isinstance(entry["uses"], str):
        raise ColdstartError(f"stages.{name}.uses: {entry['uses']!r} is not the name of a mechanism")
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
    """Topological, and otherwise as written. Reading an evaluation is reading after its model."""
    names = list(entries)
    reads = {
        name: {
            stage
            for source in entries[name]["inputs"].values()
            for stage in (source, source.removesuffix(EVALUATION))
            if stage in entries
        }
        for name in names
    }
    sorter = graphlib.TopologicalSorter(reads)
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
