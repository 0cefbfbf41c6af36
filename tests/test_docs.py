"""The documentation's examples, run as they stand there."""

import re
import shlex
from pathlib import Path
from random import Random

import pytest
import yaml

from pipeline import problems
from pipeline.chat.parse import parse_completion, render_completion
from pipeline.problems import Family, Language, Problem, Step, make_family, verify
from pipeline.problems.labels import draw_labels
from pipeline.problems.prompts import Prompt, plain_prompt
from pipeline.problems.thoughts import write_thought
from pipeline.rewards import functions
from pipeline.rewards.compose import compose as compose_rewards

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/recipe.md", "docs/extending.md", "docs/log.md")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def block(page: str, language: str, start: str) -> str:
    (found,) = [item for item in blocks(page, language) if item.startswith(start)]
    return found


def code_lines(text: str) -> int:
    return sum(bool(line.strip()) and not line.lstrip().startswith(("#", '"""')) for line in text.splitlines())


def test_a_family_from_the_docs_is_used_by_every_part(monkeypatch):
    names = {"Family": Family, "Language": Language, "Problem": Problem, "Step": Step, "draw_labels": draw_labels}
    names["Random"] = Random
    exec(block("docs/extending.md", "python", "# pipeline/problems/evens.py"), names)
    monkeypatch.setitem(problems.FAMILIES, "evens", names["Evens"])
    family = make_family("evens")
    for problem in [*family.sample(60, "test", (1, 12), seed=0), *family.sample(60, "validation", (1, 12), seed=0)]:
        digits = re.findall(r"[a-z](\d)", problem.question)
        assert problem.answer == str(sum(int(digit) % 2 == 0 for digit in digits) % 2)
        assert verify(problem.answer, problem)
        assert write_thought(problem, Random(0)).value == problem.answer


def test_a_reward_from_the_docs_is_composed(monkeypatch):
    monkeypatch.setattr(functions, "REWARDS", dict(functions.REWARDS))
    names = {"Completion": object, "Prompt": Prompt, "REWARDS": functions.REWARDS}
    monkeypatch.setattr("pipeline.rewards.compose.REWARDS", functions.REWARDS)
    exec(block("docs/extending.md", "python", "# pipeline/rewards/functions.py"), names)
    settings = yaml.safe_load(block("docs/extending.md", "yaml", "rewards:"))["rewards"]
    composition = compose_rewards(settings, "rewards")
    brevity = next(part for part in composition.components if part.name == "brevity")
    problem = make_family("walk").make(Random(0), 2, "en")
    short = parse_completion(render_completion("then\nso", f"\\boxed{{{problem.answer}}}"), ended=True)
    long = parse_completion(render_completion("\n".join("abcdefgh"), f"\\boxed{{{problem.answer}}}"), ended=True)
    assert composition.score(brevity, short, plain_prompt(problem)) == 1
    assert composition.score(brevity, long, plain_prompt(problem)) == 0
    assert composition.score(brevity, short, plain_prompt(problem, "no_think")) is None


def test_the_examples_stay_short():
    assert all(code_lines(text) <= 15 for text in blocks("docs/extending.md", "(?:python|yaml)"))


@pytest.mark.parametrize("text", blocks("docs/extending.md", "yaml"), ids=lambda text: text.splitlines()[0])
def test_family_options_from_the_docs(text, tmp_path, monkeypatch):
    entry = yaml.safe_load(text)
    if "family" not in entry:
        pytest.skip("no family")
    if entry["family"] == "reasoning_gym":
        pytest.importorskip("reasoning_gym", reason="the extra 'gym' is not installed")
    if entry["family"] == "table":
        import datasets

        monkeypatch.chdir(tmp_path)
        datasets.Dataset.from_list([{"problem": "1+1?", "solution": "2"}]).to_parquet("problems.parquet")
    family = make_family(entry["family"], entry["family_options"])
    problem = family.draw(Random(0), "all", (1, 3))
    assert verify(problem.answer, problem)


@pytest.fixture
def with_examples(compose, tmp_path, monkeypatch):
    """``compose`` that knows the documentation's own configuration."""
    import pipeline.compose as module

    recipe = tmp_path / "conf" / "recipe" / "short.yaml"
    for folder in (module.conf_dir(), ROOT / "docs" / "examples"):
        for path in folder.rglob("*.yaml"):
            copy = tmp_path / "conf" / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    recipe.write_text(
        block("docs/extending.md", "yaml", "# @package _global_\n# my_conf/recipe/short.yaml"), encoding="utf-8"
    )
    monkeypatch.setattr(module, "conf_dir", lambda: tmp_path / "conf")
    return compose


def commands() -> list[str]:
    found = [text for page in PAGES if (ROOT / page).exists() for text in blocks(page, "bash")]
    inline = [
        item
        for page in PAGES
        if (ROOT / page).exists()
        for item in re.findall(r"`(coldstart (?:run|plan)[^`]*)`", (ROOT / page).read_text(encoding="utf-8"))
    ]
    lines = [line for text in found for line in text.splitlines()]
    return sorted({line for line in [*lines, *inline] if re.match(r"coldstart (run|plan)\b", line)})


def test_every_budget_command_in_the_docs_composes():
    import hydra

    from pipeline.commands.budget import read_settings
    from pipeline.compose import conf_dir

    lines = [line for page in PAGES for text in blocks(page, "bash") for line in text.splitlines()]
    asked = [line for line in lines if line.startswith("coldstart budget ")]
    assert len(asked) >= 3
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for line in asked:
            cfg = hydra.compose("budget", shlex.split(line, comments=True)[2:])
            assert read_settings(cfg).model


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_docs_composes(line, with_examples):
    arguments = shlex.split(line, comments=True)[2:]
    overrides = [item for item in arguments if "=" in item and not item.startswith("-")]
    if "--multirun" in arguments:
        overrides = [re.sub(r"=([^,\[{]+),.*", r"=\1", item) for item in overrides]
    assert with_examples(*overrides).graph.stages
