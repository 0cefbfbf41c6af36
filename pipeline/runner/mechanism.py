"""What a mechanism declares about itself, so that the runner can check a recipe without importing any engine.

A mechanism is one file in ``stages/``: a dataclass of settings, ``MECHANISM``, and ``run(settings, request, tracker)``
which writes one artifact into ``request.output`` and returns its metrics. Engines are imported inside ``run``: reading
a mechanism's settings must cost milliseconds.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import stages
from pipeline.errors import ColdstartError, nearest

Kind = Literal["model", "data", "results"]


@dataclass(frozen=True)
class Input:
    """An artifact that a mechanism reads: its kind, and whether it can do without."""

    kind: Kind
    required: bool = True


@dataclass(frozen=True)
class Mechanism:
    """
    Attributes:
        settings: dataclass of the settings, with defaults; fields with metadata ``{"result": False}`` change no result
            and stay out of the fingerprint.
        makes: the kind of its artifact.
        inputs: by name.
        revision: bumped by hand when the same settings would give another result.
        reads: ends of the addresses of settings that hold a path (``table.path``); what is there counts in the
            fingerprint by its content.
        trl_config: ``module.Class`` of the TRL config whose other fields may be set by their TRL names.
    """

    settings: type
    makes: Kind
    inputs: Mapping[str, Input] = field(default_factory=dict)
    revision: int = 1
    reads: tuple[str, ...] = ()
    trl_config: str | None = None


def mechanism_names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(stages.__path__))


def load_mechanism(uses: str, stage: str) -> Mechanism:
    """The declaration of ``stages/<uses>.py``. Raises ColdstartError that names the nearest valid mechanism."""
    if uses not in mechanism_names():
        raise ColdstartError(f"stages.{stage}.uses: no mechanism {uses!r}; {nearest(uses, mechanism_names())}")
    return mechanism_module(uses).MECHANISM


def mechanism_module(uses: str) -> Any:
    return importlib.import_module(f"stages.{uses}")
