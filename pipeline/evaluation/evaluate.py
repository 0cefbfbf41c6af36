"""The evaluation of one model: each mode it has, instructions, budgets. Returns figures, and every completion."""

from dataclasses import dataclass
from random import Random
from typing import Any, cast

from pipeline.chat.modes import Mode
from pipeline.evaluation.budget_curve import answer_within, budget_point
from pipeline.evaluation.figures import instruction_shares, mean, summarise, wilson
from pipeline.evaluation.settings import EvaluationSettings
from pipeline.generation.complete import Completer, Judged
from pipeline.generation.sampling import GREEDY, Sampling
from pipeline.problems import Problem, Split, make_family
from pipeline.problems.instructions import INSTRUCTIONS, PAIRS
from pipeline.problems.prompts import Prompt, PromptMix, changing_prompt, plain_prompt
from pipeline.seeds import derive_seed
from pipeline.tracking import Tracker


@dataclass
class Evaluation:
    metrics: dict[str, Any]
    completions: list[dict[str, Any]]
    """Every completion with its verdict, ``part`` saying which figure it belongs to."""


def evaluate(completer: Completer, settings: EvaluationSettings, tracker: Tracker) -> Evaluation:
    """Measure one model. The seed is the problems', so that two models answer with the same random streams."""
    family = make_family(settings.family, settings.family_options)
    split, seed = cast(Split, settings.split), settings.problems_seed
    low, high = settings.difficulty
    problems = family.sample(settings.problems, split, (low, high), seed)
    sampling = Sampling(temperature=settings.temperature, top_p=settings.top_p, top_k=settings.top_k)
    parts = len(settings.modes) + len(settings.budgets) + bool(settings.instructions) + bool(settings.multi_turn)
    done = 0
    result = Evaluation({}, [])

    def keep(part: str, judged: list[Judged]) -> None:
        nonlocal done
        done += 1
        tracker.progress(done, parts, part)
        result.completions += [{"part": part, **item.as_row()} for item in judged]

    followed: list[bool] = []
    unlimited: list[Judged] = []
    for mode in settings.modes:
        flag = _flag(mode, settings)
        prompts = [plain_prompt(problem, flag) for problem in problems]
        judged = completer.complete(prompts, sampling, derive_seed(seed, mode), settings.k)
        greedy = completer.complete(prompts, GREEDY, seed)
        if mode == "think":
            unlimited = greedy
        result.metrics[mode] = summarise(judged, mean([item.correct for item in greedy]))
        keep(mode, judged)
        result.completions += [{"part": f"{mode}_greedy", **item.as_row()} for item in greedy]
        followed += [item.mode_followed for item in judged]
    if len(settings.modes) > 1:
        result.metrics["mode_following"] = mean(followed)
    if "calibration_error" in result.metrics.get("think", {}):
        result.metrics["calibration_error"] = result.metrics["think"].pop("calibration_error")
    result.metrics.get("no_think", {}).pop("calibration_error", None)

    if settings.instructions:
        seed_here = derive_seed(seed, "instructions")
        asked = _instruction_prompts(settings, family.sample(settings.instructions, split, (low, high), seed_here))
        judged = completer.complete(asked, sampling, seed_here)
        done_right = [item.instruction_followed for item in judged]
        result.metrics["instruction_following"] = mean(done_right)
        result.metrics["instruction_ci95"] = wilson(sum(done_right), len(done_right))
        result.metrics["instruction_n"] = len(done_right)
        result.metrics["instruction_by"] = instruction_shares(judged)
        keep("instructions", judged)

    if settings.multi_turn:
        seed_here = derive_seed(seed, "multi_turn")
        rng = Random(seed_here)
        asked = [
            changing_prompt(problem, family, rng, PromptMix())
            for problem in family.sample(settings.multi_turn, split, (low, high), seed_here)
        ]
        judged = completer.complete(asked, sampling, seed_here)
        done_right = [item.mode_followed for item in judged]
        result.metrics["think_follow"] = {
            "share": mean(done_right),
            "ci95": wilson(sum(done_right), len(done_right)),
            "n": len(done_right),
        }
        keep("multi_turn", judged)

    if settings.budgets:
        points = []
        for budget in sorted(settings.budgets):
            judged = answer_within(completer, unlimited, budget)
            points.append(budget_point(budget, judged, unlimited, family.chance))
            keep(f"budget_{budget}", judged)
        result.metrics["budget"] = points
    return result


def _flag(mode: str, settings: EvaluationSettings) -> Mode | None:
    if mode == "no_think":
        return "no_think"
    return "think" if settings.flags else None


def _instruction_prompts(settings: EvaluationSettings, problems: list[Problem]) -> list[Prompt]:
    """Every kind alone, then every pair that goes together, over and over, in each mode in turn."""
    asked = [*((kind,) for kind in sorted(INSTRUCTIONS)), *PAIRS]
    prompts = []
    for index, problem in enumerate(problems):
        mode = settings.modes[index // len(asked) % len(settings.modes)]
        prompts.append(plain_prompt(problem, _flag(mode, settings), asked[index % len(asked)]))
    return prompts
