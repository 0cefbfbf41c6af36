"""``every.<mechanism>.<key>``: one setting for all stages that use a mechanism, whatever the recipe calls them.

What presets (``debug=``, ``experiment=``) and people say of all stages of a kind. It wins over recipe, scale and
tuning; what the command line says of one stage wins over it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import ColdstartError, nearest
from pipeline.runner.graph import EVALUATION
from pipeline.runner.mechanism import mechanism_names

EVALUATE = "evaluate"


def apply_every(root: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The root with its ``every`` put into ``stages`` and ``evaluation``.

    Args:
        root: the composed configuration, resolved.
        overrides: of the command line, as Hydra keeps them (``++stages.fusion.learning_rate=1e-3``).

    Raises:
        ColdstartError: ``every`` names no mechanism, or does not hold groups of settings.
    """
    every = root.get("every") or {}
    if not isinstance(every, Mapping):
        raise ColdstartError(f"every: {every!r} is not a group of mechanisms")
    names = mechanism_names()
    for mechanism, settings in every.items():
        if mechanism not in names:
            raise ColdstartError(f"every.{mechanism}: no such mechanism; {nearest(str(mechanism), names)}")
        if not isinstance(settings, Mapping):
            raise ColdstartError(f"every.{mechanism}: {settings!r} is not a group of settings")
    said = {item.lstrip("+~").partition("=")[0] for item in overrides}
    result = dict(root)
    if isinstance(root.get("evaluation"), Mapping) and EVALUATE in every:
        result["evaluation"] = _merged(root["evaluation"], every[EVALUATE], "evaluation", said)
    if isinstance(root["stages"], Mapping):
        result["stages"] = {name: _stage(name, entry, every, said) for name, entry in root["stages"].items()}
    return result


def _stage(name: str, entry: Any, every: Mapping[str, Any], said: set[str]) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    uses, where = entry.get("uses"), f"stages.{name}"
    if uses is None and name.endswith(EVALUATION):
        # What the command line says of all evaluations, it says of this one.
        uses, said = EVALUATE, said | {where + item.removeprefix("evaluation") for item in said}
    return entry if uses is None or uses not in every else _merged(entry, every[uses], where, said)


def _merged(entry: Mapping[str, Any], settings: Mapping[str, Any], where: str, said: set[str]) -> dict[str, Any]:
    merged = dict(entry)
    for key, value in settings.items():
        path, old = f"{where}.{key}", merged.get(key)
        if path in said:
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping | None):
            merged[key] = _merged(old or {}, value, path, said)
        else:
            merged[key] = value
    return merged
