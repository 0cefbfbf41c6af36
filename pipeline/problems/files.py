"""Rows of problem files, whatever they are kept in: JSONL, Parquet, a Hugging Face data set saved or on the hub."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ColdstartError

Row = tuple[int, dict[str, Any]]
"""A row with its number, from 1."""


def read_rows(
    source: str, subset: str | None = None, part: str | None = None, revision: str | None = None
) -> list[Row]:
    """All rows of a problem file.

    Args:
        source: a ``.jsonl`` or ``.parquet`` file, a folder that ``save_to_disk`` wrote, or a hub id (``owner/name``).
        subset, part, revision: of a Hugging Face data set: its configuration, its split (``train`` by default) and its
            commit. Nothing is downloaded unless it is not cached and the network is allowed (``HF_HUB_OFFLINE=1``).

    Raises:
        ColdstartError: nothing is there, or it cannot be read; with the row where one row is at fault.
    """
    path = Path(source)
    if path.is_dir():
        return _hugging_face(source, subset, part, revision, saved=True)
    if path.suffix == ".parquet" and path.is_file():
        return _parquet(path)
    if path.is_file():
        return list(_jsonl(path))
    if path.suffix or source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise ColdstartError(
            f"problem file {source} does not exist; give a JSONL or Parquet file, a folder of save_to_disk, or a hub id"
        )
    return _hugging_face(source, subset, part, revision, saved=False)


def _jsonl(path: Path) -> Iterator[Row]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines() also splits at U+2028, inside strings
    except UnicodeDecodeError as error:
        raise ColdstartError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8 JSONL") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ColdstartError(
                f"{path}, row {number}: not JSON ({error.msg}); each line must be one object"
            ) from None
        if not isinstance(row, dict):
            raise ColdstartError(f"{path}, row {number}: {type(row).__name__} instead of an object")
        yield number, row


def _parquet(path: Path) -> list[Row]:
    import pyarrow.parquet
    from pyarrow import ArrowInvalid

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (ArrowInvalid, OSError) as error:
        raise ColdstartError(f"{path}: no Parquet file that can be read ({str(error).splitlines()[0]})") from None
    return list(enumerate(rows, start=1))


def _hugging_face(source: str, subset: str | None, part: str | None, revision: str | None, saved: bool) -> list[Row]:
    import datasets

    try:
        found = datasets.load_from_disk(source) if saved else datasets.load_dataset(source, subset, revision=revision)
    except Exception as error:  # the hub, the cache and the builders raise many kinds
        first = str(error).strip().splitlines()[0]
        raise ColdstartError(
            f"problem data set {source!r} cannot be loaded ({type(error).__name__}: {first}); give a folder of "
            "save_to_disk, or an id that is in the Hugging Face cache when offline"
        ) from None
    if isinstance(found, datasets.DatasetDict):
        wanted = part or "train"
        if wanted not in found:
            raise ColdstartError(f"problem data set {source!r} has no split {wanted!r}; it has {', '.join(found)}")
        found = found[wanted]
    return list(enumerate(found.to_list(), start=1))
