"""Validation of a stage's settings: our dataclass first, then TRL's own fields by name. Nothing of TRL is imported.

The fields of a TRL config are read from its source, as importing it takes seconds and ``plan`` must not.
"""

import ast
import dataclasses
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from pipeline.errors import ColdstartError, nearest
from pipeline.runner.mechanism import Mechanism

# Decided by the runner, the launch or our own settings: a recipe that sets them would be contradicted.
OURS = {
    "output_dir", "report_to", "seed", "data_seed", "run_name", "logging_dir", "push_to_hub", "hub_token",
    "hub_model_id", "per_device_train_batch_size", "gradient_accumulation_steps", "reward_weights", "use_cpu",
    "save_strategy", "save_total_limit", "disable_tqdm", "max_length", "packing", "num_train_epochs",
}  # fmt: skip
PLAIN_TYPES: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}


def validate(stage: str, mechanism: Mechanism, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The complete settings of a stage as plain JSON: defaults filled in, every key and type checked.

    Raises:
        ColdstartError: an unknown key (with the nearest valid one) or a value of another type.
    """
    own = {field.name for field in dataclasses.fields(mechanism.settings)}
    fields = trl_fields(mechanism.trl_config) if mechanism.trl_config else {}
    flat: dict[str, Any] = {}
    given = {} if raw.get("trl") is None else raw["trl"]
    if not isinstance(given, Mapping):
        raise ColdstartError(f"stages.{stage}.trl: {given!r} is not a group of TRL settings")
    for key in given:
        if key in own:
            raise ColdstartError(f"stages.{stage}.trl.{key}: a setting of ours; write stages.{stage}.{key}")
    extra: dict[str, Any] = dict(given)
    for key, value in raw.items():
        if key == "trl":
            continue
        (flat if key in own else extra)[key] = value
    for key, value in extra.items():
        where = f"stages.{stage}.{key}"
        if key in OURS and key in fields:
            raise ColdstartError(
                f"{where}: decided by Coldstart, not by a recipe; valid here: {', '.join(sorted(own))}"
            )
        if key not in fields:
            raise ColdstartError(f"{where}: no such setting; {nearest(key, [*own, *fields])}")
        _check_plain(where, fields[key], value)
    if extra:
        flat["trl"] = extra
    schema = OmegaConf.structured(mechanism.settings)
    for key, value in flat.items():
        if OmegaConf.is_dict(schema[key]) and not isinstance(value, Mapping):
            raise ColdstartError(f"stages.{stage}.{key}: {value!r} is not a group of settings")
    try:
        merged = OmegaConf.merge(schema, OmegaConf.create(flat))
        OmegaConf.to_object(merged)  # the dataclass's own checks
    except OmegaConfBaseException as error:
        raise ColdstartError(f"stages.{stage}.{_explain(error, mechanism)}") from None
    except ValueError as error:
        raise ColdstartError(f"stages.{stage}: {error}") from None
    settings = OmegaConf.to_container(merged, resolve=True)
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items()}


def _explain(error: OmegaConfBaseException, mechanism: Mechanism) -> str:
    """The key that a merge failed at and why; for an unknown key, the nearest valid one beside it."""
    key = str(getattr(error, "full_key", "") or "")
    parent, _, name = key.rpartition(".")
    if isinstance(error, ConfigKeyError):
        schema = OmegaConf.structured(mechanism.settings)
        known = OmegaConf.select(schema, parent) if parent else schema
        return f"{key}: no such setting; {nearest(name, [str(item) for item in known])}"
    return f"{key}: {str(error).strip().splitlines()[0]}"


def result_settings(mechanism: Mechanism, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the fingerprint counts: all but those marked as changing no result."""
    silent = {f.name for f in dataclasses.fields(mechanism.settings) if f.metadata.get("result") is False}
    return {key: value for key, value in settings.items() if key not in silent}


def _check_plain(where: str, annotation: str, value: Any) -> None:
    kinds = [part.strip() for part in annotation.split("|")]
    if not all(kind in PLAIN_TYPES or kind == "None" for kind in kinds):
        return  # TRL checks what is not plain
    if value is None and "None" in kinds:
        return
    accepted = tuple(kind for name in kinds for kind in PLAIN_TYPES.get(name, ()))
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise ColdstartError(f"{where}: {value!r} is not of type {annotation}")


@cache
def trl_fields(config: str) -> dict[str, str]:
    """``name -> annotation`` of a TRL config and the classes it is made from, read from their sources."""
    module, _, _ = config.partition(".")
    trl, transformers = _package("trl"), _package("transformers")
    sources = [transformers / "training_args.py", trl / "trainer" / "base_config.py", trl / "trainer" / f"{module}.py"]
    fields: dict[str, str] = {}
    for source in sources:
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                        fields[item.target.id] = ast.unparse(item.annotation).strip("'\"")
    return {name: annotation for name, annotation in fields.items() if not name.startswith("_")}


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ColdstartError(f"package {name!r} is not installed; install Coldstart with its requirements")
    return Path(spec.origin).parent
