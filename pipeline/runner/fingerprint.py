"""When is a stage new?

At one extreme a stage is named by its settings alone, and a changed input goes unnoticed; at the other by everything
around it, and a new wandb project trains the model again. Here a fingerprint counts the settings that change the
result (all that are not marked otherwise), the *content* of the inputs and of the files that settings name, the seed,
and the mechanism's revision. Where it runs, how it logs and how often it saves are not in it; versions of packages are
recorded and warned about.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts.store import HASHED_AT_ONCE, sha256_file
from pipeline.runner.graph import Stage
from pipeline.runner.settings import result_settings


def fingerprint(stage: Stage, contents: Mapping[str, str]) -> str:
    """``contents``: input name -> content hash of the artifact that it reads."""
    parts = {
        "uses": stage.uses,
        "revision": stage.mechanism.revision,
        "settings": result_settings(stage.mechanism, stage.settings),
        "seed": stage.seed,
        "inputs": dict(contents),
    }
    if files := files_read(stage):
        parts["files"] = files
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def files_read(stage: Stage) -> dict[str, str]:
    """Address of a setting -> hash of the file or folder that it names. A name that is neither (a hub id) has none: its
    revision is a setting."""
    found = {}
    for address, value in _addresses(stage.settings):
        if isinstance(value, str) and any(f".{address}".endswith(f".{end}") for end in stage.mechanism.reads):
            path = Path(value)
            if path.exists():
                files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
                lines = [f"{file.relative_to(path).as_posix()} {_content(file)}" for file in files]
                found[address] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return found


def _content(file: Path) -> str:
    """Hash of a file; the size of a large one (a base model's weights are not read again at every plan)."""
    size = file.stat().st_size
    return sha256_file(file) if size <= HASHED_AT_ONCE else f"{size} bytes"


def _addresses(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _addresses(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs, as ``key: old -> new``, nested keys dotted."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += changed_settings(before, after, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}: {_short(before)} -> {_short(after)}")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
