"""``coldstart budget``, on the random model made to think, and its mistakes."""

import json

import pytest

from pipeline.commands.budget import QWEN3_STOP, BudgetSettings, budget, measured_with, read_sampling
from pipeline.errors import ColdstartError
from pipeline.evaluation.sweep import Sweep, auto_budgets, sweep, sweep_point
from pipeline.generation.characters import LONGEST_WAIT
from pipeline.generation.complete import Completer
from pipeline.generation.sampling import GREEDY
from pipeline.models import save_model
from pipeline.problems import make_family
from pipeline.problems.prompts import plain_prompt

STOP = {"en": "time is up", "zh": "时间到"}


@pytest.fixture
def thinker(thinking_model, tokenizer):
    return Completer(thinking_model, tokenizer, 40, STOP)


@pytest.fixture
def swept(thinker) -> Sweep:
    problems = make_family("walk").sample(24, "test", (2, 6), seed=1)
    return sweep(thinker, [plain_prompt(problem) for problem in problems], [4, 0], GREEDY, seed=0, chance=0.1)


def test_points_are_in_order_and_count(swept):
    assert [point["budget"] for point in swept.points] == ["no_think", 0, 4, "unlimited"]
    for point in swept.points:
        assert point["n"] == 24
        assert point["ci95"][0] <= point["accuracy"] <= point["ci95"][1]
    by_budget = {point["budget"]: point for point in swept.points}
    assert by_budget["no_think"]["mean_thinking_tokens"] == by_budget[0]["mean_thinking_tokens"] == 0
    assert by_budget[0]["forced"] == 1
    assert by_budget["unlimited"]["forced"] == 0
    assert by_budget[4]["mean_thinking_tokens"] <= 4 + LONGEST_WAIT, "random models write broken characters"
    assert "fits_or_chance" in by_budget[4]
    assert "fits_or_chance" not in by_budget["unlimited"]
    for point in swept.points:
        thinking, answer = point["mean_thinking_tokens"], point["answer_tokens"]
        assert point["tokens"] == pytest.approx(24 * (thinking + answer))


def points(*pairs):
    shared = {"n": 100, "k": 1}
    return [{"budget": budget, "accuracy": accuracy, **shared} for budget, accuracy in pairs]


def test_the_smallest_sufficient_budget_and_the_area():
    curve = Sweep(points(("no_think", 0.1), (0, 0.2), (10, 0.6), (20, 0.795), (40, 0.8), ("unlimited", 0.8)), {})
    assert curve.smallest_sufficient_budget == 20
    assert curve.area == pytest.approx((10 * 0.4 + 10 * 0.6975 + 20 * 0.7975) / 40)
    short = Sweep(points(("no_think", 0.1), (5, 0.3), ("unlimited", 0.8)), {})
    assert short.smallest_sufficient_budget is None
    assert short.area is None


def test_budgets_from_the_models_own_thoughts():
    assert auto_budgets(list(range(1, 17))) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert auto_budgets([5, 5, 5]) == [0, 5]


def test_several_samples_have_intervals_by_problem(thinker, prompts):
    judged = thinker.complete(prompts[:6], GREEDY, 0, k=3)
    point = sweep_point("unlimited", judged, judged, None)
    assert (point["n"], point["k"]) == (6, 3)
    assert {"pass_at_k", "maj_at_k"} <= set(point)


def test_a_model_without_thoughts_is_told(model, tokenizer, prompts):
    with pytest.raises(ColdstartError, match="opened a think block"):
        sweep(Completer(model, tokenizer, 4, STOP), prompts[:2], [0], GREEDY, seed=0)


@pytest.fixture
def checkpoint(model, tokenizer, tmp_path):
    save_model(model, tokenizer, tmp_path / "some_stage", "some_stage")
    return tmp_path / "some_stage"


def test_a_runs_own_settings_are_taken(checkpoint):
    assert measured_with(checkpoint) == {}
    evaluation = checkpoint.with_name("some_stage_eval")
    evaluation.mkdir()
    (evaluation / "manifest.json").write_text(json.dumps({"settings": {"stop_sentence": STOP, "difficulty": [1, 3]}}))
    assert measured_with(checkpoint)["stop_sentence"] == STOP
    assert measured_with(checkpoint / "model")["difficulty"] == [1, 3]


def test_sampling_is_the_checkpoints_own_unless_said(checkpoint):
    from pipeline.models import load_model

    model, _ = load_model(checkpoint)
    own = read_sampling(BudgetSettings(model=""), model)
    assert (own.temperature, own.top_p, own.top_k) == (0.6, 0.95, 20)
    assert read_sampling(BudgetSettings(model="", temperature=0), model) == GREEDY
    assert read_sampling(BudgetSettings(model="", temperature=1.0), model).temperature == 1.0


def test_qwen3s_stop_sentence_is_the_published_one():
    assert QWEN3_STOP["en"] == (
        "Considering the limited time by the user, I have to give the solution based on the thinking directly now."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budgets": [-1]}, "neither auto nor a list"),
        ({"budgets": []}, "neither auto nor a list"),
        ({"budgets": 8}, "neither auto nor a list"),
        ({"k": 0}, "k: 0 is not at least 1"),
        ({"temperature": -1.0}, "below 0"),
    ],
)
def test_values_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        BudgetSettings(model="x", **change)


def test_no_such_checkpoint(tmp_path):
    with pytest.raises(ColdstartError, match=r"model: cannot load .*in the Hugging Face cache when offline"):
        budget(BudgetSettings(model="nobody/nothing", out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_without_a_template(checkpoint, tmp_path):
    (checkpoint / "model" / "chat_template.jinja").unlink()
    with pytest.raises(ColdstartError, match="has no chat template"):
        budget(BudgetSettings(model=str(checkpoint), n=2, out=str(tmp_path / "out")))


def test_problems_without_gold_answers(checkpoint, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"question": "1+1?", "answer": null}\n')
    with pytest.raises(ColdstartError, match=r"row 1: the gold answer"):
        budget(BudgetSettings(model=str(checkpoint), problems=str(path), out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
