"""The sentences of a report: what was trained, where it ended, how it was measured, how to repeat it.

Names of stages are in backticks, which Markdown takes as they are and the HTML sets as code.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.tables import Stage, share

Manifests = Mapping[str, Mapping[str, Any]]


def _parent(manifest: Mapping[str, Any]) -> str | None:
    """The stage whose weights a model started from."""
    inputs = manifest.get("inputs", {})
    found = inputs.get("student") or inputs.get("model")
    return found["stage"] if found else None


def _lines(stages: Sequence[Stage], manifests: Manifests) -> dict[str, list[str]]:
    """The models of a run by the source that they came from: source -> what was trained on from it, in order."""
    models = [stage["name"] for stage in stages if stage.get("model") and stage["name"] in manifests]
    lines: dict[str, list[str]] = {}
    for name in models:
        source = name
        while (parent := _parent(manifests[source])) in models and parent is not None:
            source = parent
        lines.setdefault(source, []).extend([name] if name != source else [])
    return lines


def trained_sentence(stages: Sequence[Stage], manifests: Manifests) -> str:
    """One sentence on what was trained, from the lineage that the manifests record."""
    metrics = {stage["name"]: stage["metrics"] for stage in stages}
    clauses = []
    for source, line in _lines(stages, manifests).items():
        count = metrics[source].get("parameters")
        teachers = {manifests[name].get("inputs", {}).get("teacher", {}).get("stage") for name in line} - {None}
        clause = "a model" + (f" of {_count(count)} parameters" if count else "")
        clause += f" (`{source}`, made by `{manifests[source]['uses']}`)"
        if line:
            clause += " was trained by " + _listed([f"`{name}` ({manifests[name]['uses']})" for name in line])
        clauses.append(
            clause + (f", with {_listed([f'`{name}`' for name in sorted(teachers)])} as teacher" if teachers else "")
        )
    text = "; ".join(clauses) + "." if clauses else "No model is made yet."
    return text[0].upper() + text[1:]


def outcome_sentence(stages: Sequence[Stage], manifests: Manifests) -> str:
    """Where each line of models ended."""
    metrics = {stage["name"]: stage["metrics"] for stage in stages}
    ends = []
    for line in _lines(stages, manifests).values():
        last = next((name for name in reversed(line) if metrics[name].get("think")), None)
        if last:
            think, no_think = (share(metrics[last].get(mode)) for mode in ("think", "no_think"))
            text = f"`{last}` answers {think.value}% {think.detail} right when it thinks"
            ends.append(text + (f" and {no_think.value}% {no_think.detail} when it does not" if no_think.value else ""))
    return f"Of the held-out problems, {'; '.join(ends)}." if ends else ""


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def measured_sentence(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """How the figures were measured: the settings of the last evaluation, which the modes and budgets came from."""
    settings = evaluations[-1].get("settings", {}) if evaluations else {}
    if not {"problems", "split", "family", "temperature", "top_p"} <= set(settings):
        return ""
    span = settings.get("difficulty")
    return (
        f"{settings['problems']} {settings['split']} problems ({settings['family']}"
        + (f", difficulty {span[0]} to {span[1]}" if span else "")
        + f"), sampled at temperature {settings['temperature']} and top-p {settings['top_p']}"
    )


def repeat_command(name: str, ledger: Mapping[str, Any]) -> str:
    """The command that repeats the run under the same name; a seed that is given becomes part of the default name."""
    words = ["coldstart", "run", f"recipe={ledger['recipe']}", f"scale={ledger['scale']}"]
    default = f"{ledger['recipe']}-{ledger['scale']}"
    if ledger["seed"] or name != default:
        words.append(f"seed={ledger['seed']}")
        default += f"-s{ledger['seed']}"
    return shlex.join(words if name == default else [*words, f"name={name}"])


def _count(value: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M")):
        if value >= size / 10:
            return f"{value / size:.2f}{unit}"
    return f"{value:,}"
