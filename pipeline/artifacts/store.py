"""The life of an artifact: worked on in its own place, sealed by a manifest, swapped in whole.

    <stage>/               a folder with manifest.json is complete; without, it is being worked on
    <stage>.next/          a replacement being worked on, while the old artifact still stands
    <stage>.old/           for the instant of the swap; :func:`recover` settles what a kill left there

The manifest is written last and atomically. It lists every file with its hash, and one hash over the payload
(``model/``, ``data/``, ``results/``): curves and samples are in the list, but time stamps in them make nothing stale.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError

MANIFEST, REQUEST = "manifest.json", "request.json"
PAYLOAD = ("model", "data", "results")
HASHED_AT_ONCE = 16 * 2**20
"""Files up to this size are hashed at every look; larger ones when they are used, or when asked to verify."""


@dataclass(frozen=True)
class Manifest:
    stage: str
    uses: str
    fingerprint: str
    inputs: dict[str, dict[str, str]]
    settings: dict[str, Any]
    started: str
    seconds: float
    world_size: int
    versions: dict[str, str]
    files: dict[str, dict[str, Any]]
    content: str
    metrics: dict[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Atomically: a reader sees the old file or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """``path -> {size, sha256}`` of what belongs to an artifact, trainer checkpoints left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (MANIFEST, REQUEST) and not name.startswith("trainer/"):
            files[name] = {"size": path.stat().st_size, "sha256": sha256_file(path)}
    return files


def content_hash(files: dict[str, dict[str, Any]]) -> str:
    lines = [f"{name} {entry['sha256']}" for name, entry in sorted(files.items()) if name.split("/")[0] in PAYLOAD]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a complete artifact; None when there is none. Raises ColdstartError for one that is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError):
        raise ColdstartError(
            f"{path} cannot be read; delete it to make stage {folder.name!r} anew, or restore it from a copy"
        ) from None


def check_files(folder: Path, manifest: Manifest, full: bool = False) -> None:
    """Hold an artifact against its manifest.

    Args:
        full: hash every file; otherwise large ones are only held against their size.

    Raises:
        ColdstartError: a file is missing or altered; says which, and how to go on.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            fault = "is missing"
        elif path.stat().st_size != entry["size"]:
            fault = f"has {path.stat().st_size} bytes instead of {entry['size']}"
        elif (full or entry["size"] <= HASHED_AT_ONCE) and sha256_file(path) != entry["sha256"]:
            fault = f"was altered (its sha256 is not {entry['sha256'][:12]}…)"
        else:
            continue
        raise ColdstartError(
            f"artifact {folder}: {name} {fault}; restore the file, or make the stage anew with rerun={manifest.stage}"
        )


def standing(stage_folder: Path) -> Path:
    """Where a stage's artifact stands, a swap that a kill interrupted counted in. Changes nothing: for planning."""
    following, old = _beside(stage_folder, "next"), _beside(stage_folder, "old")
    if (following / MANIFEST).is_file():
        return following
    return old if old.exists() and not stage_folder.exists() else stage_folder


def recover(stage_folder: Path) -> None:
    """Settle a swap that a kill interrupted: the replacement if it is complete, else the old artifact."""
    following, old = _beside(stage_folder, "next"), _beside(stage_folder, "old")
    if old.exists():
        if not stage_folder.exists():
            old.rename(stage_folder)
        shutil.rmtree(old, ignore_errors=True)
    if (following / MANIFEST).is_file():
        _swap(stage_folder, following)


def open_workspace(stage_folder: Path, fingerprint: str) -> tuple[Path, bool]:
    """The folder to work in, and whether it holds the unfinished work of this very fingerprint."""
    folder = unfinished(stage_folder)
    if _requested(folder) == fingerprint:
        return folder, True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder, False


def unfinished(stage_folder: Path) -> Path:
    """Where work on a stage goes: beside the artifact when there is a complete one, else in its place."""
    return _beside(stage_folder, "next") if (stage_folder / MANIFEST).is_file() else stage_folder


def can_resume(stage_folder: Path, fingerprint: str) -> bool:
    return _requested(unfinished(stage_folder)) == fingerprint


def seal(workspace: Path, stage_folder: Path, manifest: Manifest) -> None:
    """Complete an artifact: the manifest last, then the swap when an old one stands in its place."""
    write_json(workspace / MANIFEST, asdict(manifest))
    if workspace != stage_folder:
        _swap(stage_folder, workspace)


def _swap(stage_folder: Path, following: Path) -> None:
    old = _beside(stage_folder, "old")
    if stage_folder.exists():
        stage_folder.rename(old)
    following.rename(stage_folder)
    shutil.rmtree(old, ignore_errors=True)


def _beside(stage_folder: Path, suffix: str) -> Path:
    return stage_folder.with_name(f"{stage_folder.name}.{suffix}")


def _requested(folder: Path) -> str | None:
    try:
        return json.loads((folder / REQUEST).read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError):
        return None
