"""The serialised request: all that a stage starts from. Written to disk before the stage runs, read back to run it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """
    Attributes:
        stage, uses: its name in the recipe and its mechanism.
        settings: validated and complete, as plain JSON.
        inputs: name -> folder of a complete artifact.
        output: folder to write into (``model/``, ``data/`` or ``results/``, ``metrics.jsonl``, ``trainer/``).
        seed: of this stage, made from the run's seed and the stage's name.
        threads: CPU threads that the stage may use.
        fingerprint: of what it will make.
    """

    stage: str
    uses: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    output: str
    seed: int
    threads: int
    fingerprint: str

    @property
    def folder(self) -> Path:
        return Path(self.output)

    @property
    def trainer_folder(self) -> Path:
        """Checkpoints for resuming inside the stage; removed when it is complete, unless kept."""
        return self.folder / "trainer"

    def input(self, name: str) -> Path:
        return Path(self.inputs[name])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Request":
        return cls(**json.loads(path.read_text(encoding="utf-8")))
