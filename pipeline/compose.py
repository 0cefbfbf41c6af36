"""From Hydra's composed configuration to a typed run: the root's reserved words, the recipe's graph, the run folder."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import ColdstartError, nearest
from pipeline.every import apply_every
from pipeline.runner.graph import Graph, build_graph
from pipeline.runner.plan import Selection

ROOT = Path(__file__).resolve().parent
SECRET = re.compile(r"(^|_)(token|secret|password|api_key)$", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Words of the root that are no settings of a stage; anything else at the root is a mistake.
RESERVED = frozenset({
    "name", "runs_dir", "seed", "only", "until", "rerun", "model", "problems", "rewards", "budgets", "out",
    "verify", "threads", "wandb", "recipe", "scale", "stages", "evaluation", "tuning", "experiment", "debug",
    "recipe_name", "scale_name", "shared", "every",
})  # fmt: skip


OPEN_GROUPS = ("stages.", "every.", "evaluation.")
UNUSED_UNLESS_READ = ("model", "problems", "out")
"""Root words that a recipe, scale or tuning must interpolate for them to mean anything."""
WANDB_MODES = ("disabled", "offline", "online")


def conf_dir() -> Path:
    """The folder of the configuration: beside the packages in a checkout, inside them when installed."""
    inside, beside = ROOT / "conf", ROOT.parent / "conf"
    return inside if inside.is_dir() else beside


@dataclass(frozen=True)
class RunConfig:
    """One command's settings, checked."""

    folder: Path
    recipe: str
    scale: str
    seed: int
    threads: int
    graph: Graph
    selection: Selection
    wandb: dict[str, Any]
    verify: bool
    composed: dict[str, Any]


def stage_overrides(arguments: Sequence[str]) -> list[str]:
    """Let ``stages.``, ``every.`` and ``evaluation.<key>=value`` set what the YAML does not list.

    Hydra wants ``++`` for that.

    Whether the stage and the key exist is checked against the recipe and the mechanism, which Hydra does not know.
    """
    return [f"++{item}" if item.startswith(OPEN_GROUPS) and "=" in item else item for item in arguments]


def check_root(arguments: Sequence[str], words: Collection[str] = RESERVED) -> None:
    """Raises ColdstartError for an override whose first word is nothing at the root (Hydra's advice is to add it), and
    for a group's choice that is no file (Hydra's answer is a page)."""
    choices = _group_choices([conf_dir(), *_config_dirs(arguments)])
    known = {*words, *(choices if words is RESERVED else ()), "hydra"}
    for argument in arguments:
        group, _, chosen = argument.partition("=")
        for choice in chosen.split(",") if group in choices else ():
            if choice not in (*choices[group], "null", ""):
                raise ColdstartError(
                    f"{group}={choice}: no such file in conf/{group}; {nearest(choice, choices[group])}"
                )
        word = re.match(r"(\w+)[.@=]", argument)
        if word and word[1] not in known:
            raise ColdstartError(f"{word[1]}: no such setting at the root; {nearest(word[1], known)}")


def _config_dirs(arguments: Sequence[str]) -> list[Path]:
    """Folders of the user's own configuration, as ``--config-dir`` or ``hydra.searchpath`` names them."""
    found = [arguments[i + 1] for i, item in enumerate(arguments[:-1]) if item in ("--config-dir", "-cd")]
    for item in arguments:
        key, _, value = item.partition("=")
        if key in ("--config-dir", "hydra.searchpath"):
            found += [part.strip().removeprefix("file://") for part in value.strip("[]").split(",")]
    return [Path(item) for item in found]


def _group_choices(roots: Sequence[Path]) -> dict[str, list[str]]:
    choices: dict[str, list[str]] = {}
    for root in roots:
        for path in root.glob("*/*.yaml"):
            choices.setdefault(path.parent.name, []).append(path.stem)
    return choices


def read_config(cfg: DictConfig) -> RunConfig:
    """Raises ColdstartError for anything that is not valid, naming the key and the nearest valid one."""
    try:
        plain = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ColdstartError(f"configuration: {str(error).strip().splitlines()[0]}") from None
    assert isinstance(plain, dict)
    root: dict[str, Any] = {str(key): value for key, value in plain.items()}
    for key in root:
        if key not in RESERVED:
            raise ColdstartError(f"{key}: no such setting at the root; {nearest(key, RESERVED)}")
    written = OmegaConf.to_yaml(cfg, resolve=False)
    for word in UNUSED_UNLESS_READ:
        if root.get(word) is not None and f"${{{word}}}" not in written:
            raise ColdstartError(
                f"{word}: nothing of recipe {root['recipe_name']!r} at this scale reads it; leave it out"
            )
    if not root.get("stages"):
        raise ColdstartError("the recipe has no stages")
    root = apply_every(root, HydraConfig.get().overrides.task)
    recipe, scale = root["recipe_name"], root["scale_name"]
    given = root["seed"]
    if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
        raise ColdstartError(f"seed: {given!r} is not a whole number")
    seed = given or 0
    name = root["name"] or f"{recipe}-{scale}" + (f"-s{seed}" if given is not None else "")
    if not NAME.fullmatch(str(name)):
        raise ColdstartError(f"name: {name!r} cannot name a folder; use letters, digits, '.', '_' and '-'")
    graph = build_graph(root["stages"], root.get("evaluation"), seed)
    if root["until"] is not None and not isinstance(root["until"], str):
        raise ColdstartError(f"until: {root['until']!r} is not the name of one stage; several are picked with only=")
    selection = Selection(only=_names(root["only"]), until=root["until"], rerun=_names(root["rerun"]))
    selection.check(graph)
    if selection.only and selection.until:
        raise ColdstartError("only= and until= both pick stages; give one of them")
    threads, wandb = root["threads"], root["wandb"]
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ColdstartError(f"threads: {threads!r} is not a number of threads; give at least 1")
    if not isinstance(root["verify"], bool):
        raise ColdstartError(f"verify: {root['verify']!r} is neither true nor false")
    mode = wandb.get("mode") if isinstance(wandb, Mapping) else wandb
    if mode not in WANDB_MODES:
        raise ColdstartError(f"wandb.mode: {mode!r} is none of {', '.join(WANDB_MODES)}")
    return RunConfig(
        folder=Path(root["runs_dir"]) / str(name),
        recipe=recipe,
        scale=scale,
        seed=seed,
        threads=threads,
        graph=graph,
        selection=selection,
        wandb=dict(wandb),
        verify=root["verify"],
        composed=_without_secrets(
            {
                **root,
                "name": name,
                "stages": {s.name: {"uses": s.uses, "inputs": s.inputs, **s.settings} for s in graph},
            }
        ),
    )


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple, ListConfig)) else (str(value),)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: "***" if SECRET.search(str(key)) and isinstance(item, str) and item else _without_secrets(item)
            for key, item in value.items()
        }
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value
