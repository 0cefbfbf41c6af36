import pytest

from pipeline.chat.parse import EMPTY_BLOCK, parse_completion, render_completion
from pipeline.errors import ColdstartError
from pipeline.problems import Problem, Step
from pipeline.problems.prompts import plain_prompt
from pipeline.rewards import functions
from pipeline.rewards.compose import compose
from pipeline.rewards.sorting import distance_points, inclusion_ordering_points

WALK = Problem("walk", "start 3 f+1. find x", "4", "en", 1, "3 +1", (Step("f+1", "4"),))
THINK, SILENT = plain_prompt(WALK), plain_prompt(WALK, "no_think")
RIGHT = render_completion("then f+1 4", "\\boxed{4}")


def parsed(text, ended=True):
    return parse_completion(text, ended)


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (RIGHT, 1),
        (render_completion("then f+1 4", "\\boxed{5}"), 0),
        (render_completion("\\boxed{4}", "4"), 0),
        (render_completion("t", "\\boxed{4} \\boxed{4}"), 0),
        (render_completion("t", "\\boxed{1} \\boxed{4}"), 0),
        (render_completion("t", "\\boxed{0,1,2,3,4}"), 0),
        (render_completion("t", "\\boxed{}"), 0),
        (render_completion("t", "\\boxed{2+2}"), 0),
        ("", 0),
        (WALK.question, 0),
    ],
)
def test_accuracy(text, reward):
    assert functions.accuracy(parsed(text), THINK) == reward


def test_accuracy_is_paid_in_the_right_format_only():
    composition = compose({"accuracy": {"weight": 3, "gate": ["format"]}}, "rewards")
    (accuracy,) = composition.components
    assert composition.score(accuracy, parsed(RIGHT), THINK) == 1
    assert composition.score(accuracy, parsed(RIGHT, ended=False), THINK) == 0
    assert composition.score(accuracy, parsed("\\boxed{4}"), THINK) == 0


def test_mode_gate_pays_nothing_for_thinking_against_the_flag():
    composition = compose({"accuracy": {"gate": ["format", "mode"]}}, "rewards")
    (accuracy,) = composition.components
    assert composition.score(accuracy, parsed(RIGHT), SILENT) == 0
    assert composition.score(accuracy, parsed(EMPTY_BLOCK + "\\boxed{4}"), SILENT) == 1
    assert functions.mode(parsed(EMPTY_BLOCK + "\\boxed{4}"), THINK) == 0


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("then f+1 4\nso g+2 6", 1.0),
        ("然后 f+1 4\n所以 g+2 6", 0.0),
        ("then f+1 4\n然后 g+2 6", 0.5),
        ("$x = then$ \\frac{1}{2} so", 1.0),
        ("f+1 4", 0.0),
        ("", 0.0),
    ],
)
def test_language_is_the_share_of_words(text, english):
    assert functions.language_share(text, "en") == english


def test_language_does_not_apply_without_a_thought_asked_for():
    assert functions.language(parsed(EMPTY_BLOCK + "\\boxed{4}"), SILENT) is None
    composition = compose({"language": {"modes": ["think"]}}, "rewards")
    assert composition.score(composition.components[0], parsed(RIGHT), SILENT) is None
    assert composition.score(composition.components[0], parsed(RIGHT), THINK) == 1


def test_an_instruction_pays_when_asked_for_and_costs_when_not():
    asked = plain_prompt(WALK, None, ("end_with",))
    extra = parsed(render_completion("t", "\\boxed{4} done"))
    assert functions.instruction(extra, asked) == 1
    assert functions.instruction(extra, THINK) == 0
    assert functions.instruction(parsed(RIGHT), asked) == 0
    assert functions.instruction(parsed(RIGHT), THINK) == 1


def test_two_instructions_pay_together_only():
    asked = plain_prompt(WALK, None, ("end_with", "quote"))
    assert asked.messages[0]["content"].endswith("end with done and put in quotes")
    for answer, reward in (
        ('"\\boxed{4}" done', 1),
        ("\\boxed{4} done", 0),
        ('"\\boxed{4}"', 0),
        ('"\\boxed{4} done"', 0),
    ):
        assert functions.instruction(parsed(render_completion("t", answer)), asked) == reward


SORT = Problem("sorting", "sort a4 b2 c4 d4. find x", "2 4 4 4", "en", 4, "4 2 4 4")


def test_the_lectures_two_rewards_and_the_hole():
    """[0, 2, 4, 6] for [4, 2, 4, 4]: all 7 of inclusion and ordering, one position right."""
    assert inclusion_ordering_points([4, 2, 4, 4], [0, 2, 4, 6]) == 7
    assert distance_points([4, 2, 4, 4], [0, 2, 4, 6]) == 1
    prompt = plain_prompt(SORT)
    for answer, distance, inclusion in (
        ("2 4 4 4", 1, 1),
        ("0 2 4 6", 1 / 4, 1),
        ("9 8 7 6", 0, 0),
        ("2 4 4", 0, 0),
        ("2,4,4,4", 0, 0),
    ):
        completion = parsed(render_completion("t", f"\\boxed{{{answer}}}"))
        assert functions.REWARDS["sorting_distance"](completion, prompt) == distance
        assert functions.REWARDS["sorting_inclusion"](completion, prompt) == inclusion
    assert functions.REWARDS["sorting_distance"](parsed(RIGHT), THINK) is None, "of another family"


def test_a_reward_that_raises_costs_the_sample_not_the_run(monkeypatch):
    def broken(completion, prompt):
        raise RuntimeError("boom")

    monkeypatch.setitem(functions.REWARDS, "format", broken)
    composition = compose({"format": {}}, "rewards")
    assert composition.score(composition.components[0], parsed(RIGHT), THINK) is None
    assert composition.errors == {"format": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"acuracy": {}}, "did you mean 'accuracy'"),
        ({"accuracy": {"gate": ["fromat"]}}, "did you mean 'format'"),
        ({"accuracy": {"wieght": 1}}, "did you mean 'weight'"),
        ({}, "no rewards"),
    ],
)
def test_mistakes_in_a_composition(settings, message):
    with pytest.raises(ColdstartError, match=message):
        compose(settings, "rewards.reasoning")
