"""One run at a time on a run folder. The lock goes with its process, however that ends; a note says who holds it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import ColdstartError


@contextmanager
def locked(run_folder: Path) -> Iterator[None]:
    """Hold the folder. Raises ColdstartError that names the process which holds it."""
    run_folder.mkdir(parents=True, exist_ok=True)
    note = run_folder / ".lock.json"
    lock = FileLock(run_folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            holder = json.loads(note.read_text())
        except (OSError, json.JSONDecodeError):  # not written yet
            holder = {}
        raise ColdstartError(
            f"{run_folder} is in use by process {holder.get('pid', '?')} on {holder.get('host', '?')} "
            f"since {holder.get('since', '?')}; wait for it, or give this run another name="
        ) from None
    try:
        since = datetime.now().isoformat(timespec="seconds")
        note.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()
