"""``coldstart budget``: accuracy against the thinking budget, for a run of ours, a local checkpoint or a hub id."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import ColdstartError
from pipeline.runner.ledger import LEDGER
from pipeline.tracking import Progress

logger = logging.getLogger(__name__)

QWEN3_STOP = {
    "en": "Considering the limited time by the user, I have to give the solution based on the thinking directly now.",
    "zh": "考虑到用户的时间有限，我现在必须根据以上思考直接给出解答。",
}
"""Qwen3 technical report, section 4.3 (its own text goes on with ``</think>.``, whose full stop we leave out, as a
well-formed block has none); the Chinese is our translation."""
MAX_NEW_TOKENS = 2048


@dataclass
class BudgetSettings:
    """See conf/budget.yaml."""

    model: str
    revision: str | None = None
    problems: str = "walk"
    family_options: dict[str, Any] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    subset: str | None = None
    part: str | None = None
    n: int = 200
    difficulty: list[int] | None = None
    split: str | None = None
    seed: int = 0
    suffix: str | None = None
    budgets: Any = "auto"
    k: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_new_tokens: int | None = None
    stop_sentence: dict[str, str] | None = None
    threads: int = 2
    out: str | None = None

    def __post_init__(self) -> None:
        if self.budgets != "auto" and not (
            isinstance(self.budgets, list)
            and self.budgets
            and all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in self.budgets)
        ):
            raise ValueError(f"budgets: {self.budgets!r} is neither auto nor a list of whole numbers from 0 on")
        for name in ("n", "k", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not at least 1")
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: {self.max_new_tokens} is not at least 1")
        if self.temperature is not None and self.temperature < 0:
            raise ValueError(f"temperature: {self.temperature} is below 0; 0 is greedy")


def read_settings(cfg: DictConfig) -> BudgetSettings:
    """Raises ColdstartError for a value of a wrong type or out of range, with its key."""
    if OmegaConf.is_missing(cfg, "model"):
        raise ColdstartError("model is not set; give a checkpoint's folder, a run's, or a hub id: model=...")
    try:
        settings = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(BudgetSettings), cfg))
    except OmegaConfBaseException as error:
        raise ColdstartError(f"{error.full_key}: {str(error).strip().splitlines()[0]}") from None
    except ValueError as error:
        raise ColdstartError(str(error)) from None
    return cast(BudgetSettings, settings)


def budget(settings: BudgetSettings, progress: Progress | None = None) -> list[Path]:
    """Measure, and write ``budget.json``, ``samples.jsonl``, ``budget.md``, ``budget.html`` and ``budget.png``.

    Returns the folders: one for a checkpoint; for a run one for each of its models that thinks, and above them a plot
    of all.

    Raises:
        ColdstartError: no such checkpoint, a tokenizer without a chat template, a model without a think block,
            problems that cannot be read.
    """
    import torch

    from pipeline.evaluation.sweep import NoThinkBlock
    from pipeline.report.budget import write_curves

    torch.set_num_threads(settings.threads)
    models = run_models(Path(settings.model))
    if not models:
        out = Path(settings.out or f"budget/{_name(settings.model)}")
        write_one(settings, settings.model, out, progress)
        return [out]
    root = Path(settings.out or f"budget/{Path(settings.model).name}")
    folders: list[Path] = []
    for stage, folder in models.items():
        try:
            write_one(settings, str(folder), root / stage, progress)
        except NoThinkBlock as error:
            logger.warning("stage %s is left out: %s", stage, error)
            continue
        folders.append(root / stage)
    if not folders:
        raise ColdstartError(f"model: no model of run {settings.model} thinks")
    write_curves(root, folders)
    return folders


def write_one(settings: BudgetSettings, model_name: str, out: Path, progress: Progress | None) -> None:
    """One checkpoint. Nothing is written before everything is measured."""
    from pipeline.artifacts.rows import write_rows
    from pipeline.evaluation.sweep import sample_rows, summary, sweep
    from pipeline.generation.complete import Completer
    from pipeline.models import open_checkpoint
    from pipeline.report.budget import write_budget_report

    own = measured_with(Path(model_name))
    prompts, chance = read_prompts(settings, own)
    model, tokenizer = open_checkpoint(model_name, "model", settings.revision)
    if not tokenizer.chat_template:
        raise ColdstartError(
            f"model: the tokenizer of {model_name} has no chat template, so a question cannot be asked; use an "
            "instruct model, or give it one (coldstart's load mechanism with our_template=true does)"
        )
    model.eval()
    stop = settings.stop_sentence or own.get("stop_sentence") or QWEN3_STOP
    completer = Completer(
        model, tokenizer, settings.max_new_tokens or own.get("max_new_tokens") or MAX_NEW_TOKENS, stop
    )
    budgets = None if settings.budgets == "auto" else settings.budgets
    sampling = read_sampling(settings, model)
    swept = sweep(completer, prompts, budgets, sampling, settings.seed, settings.k, chance, progress)
    figures = summary(swept, model_name, settings.problems)
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / "samples.jsonl", sample_rows(swept))
    write_budget_report(out, figures)
    (out / "budget.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")


def read_prompts(settings: BudgetSettings, own: Mapping[str, Any]) -> tuple[list[Any], float | None]:
    """The prompts, and the accuracy of guessing where it is known. ``own``: what the run measured the model with."""
    from dataclasses import replace

    from pipeline.problems import FAMILIES, Split, make_family
    from pipeline.problems.prompts import plain_prompt

    if settings.problems in FAMILIES:
        options = settings.family_options if settings.family_options is not None else own.get("family_options")
        family = make_family(settings.problems, options)
        split = settings.split or "test"
        low, high = settings.difficulty or own.get("difficulty") or [1, 8]
    else:
        options = {"path": settings.problems, "subset": settings.subset, "part": settings.part, **settings.columns}
        family = make_family("table", {"table": options})
        split, (low, high) = settings.split or "all", settings.difficulty or (1, 10**9)
    problems = family.sample(settings.n, cast(Split, split), (low, high), settings.seed)
    if settings.suffix:
        problems = [replace(problem, question=f"{problem.question} {settings.suffix}") for problem in problems]
    return [plain_prompt(problem) for problem in problems], family.chance


def read_sampling(settings: BudgetSettings, model: Any) -> Any:
    """The settings, and where they say nothing the checkpoint's own generation config."""
    from pipeline.generation.sampling import GREEDY, Sampling

    own = model.generation_config

    def either(name: str, default: float) -> Any:
        given, kept = getattr(settings, name), getattr(own, name, None)
        return given if given is not None else kept if kept is not None and own.do_sample else default

    temperature = either("temperature", 0.0)
    if temperature == 0:
        return GREEDY
    return Sampling(temperature=temperature, top_p=either("top_p", 1.0), top_k=either("top_k", 0))


def run_models(folder: Path) -> dict[str, Path]:
    """Stage -> model of a run folder; empty for anything else."""
    if not (folder / LEDGER).is_file():
        return {}
    stages = json.loads((folder / LEDGER).read_text(encoding="utf-8"))["stages"]
    found = {stage["name"]: folder / stage["name"] for stage in stages}
    return {name: path for name, path in found.items() if (path / "model" / "config.json").is_file()}


def measured_with(model: Path) -> dict[str, Any]:
    """The settings of the evaluation that a run made of this checkpoint; empty for one that is no stage of a run."""
    stage = model.parent if model.name == "model" else model
    path = stage.with_name(f"{stage.name}_eval") / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))["settings"] if path.is_file() else {}


def _name(model: str) -> str:
    path = Path(model)
    stage = path.parent if path.name == "model" else path
    return stage.name or "model"


def show(folders: list[Path], say: Callable[[str], None]) -> None:
    """The figures that say most, on the terminal."""
    for folder in folders:
        figures = json.loads((folder / "budget.json").read_text(encoding="utf-8"))
        say(f"{folder}: {figures['n']} problems, k={figures['k']}")
        for point in figures["points"]:
            low, high = point["ci95"]
            say(
                f"  {point['budget']!s:>10}  {point['accuracy']:.3f} [{low:.3f}, {high:.3f}]  cut {point['forced']:.2f}"
            )
        say(f"  smallest sufficient budget: {figures['smallest_sufficient_budget']}")
