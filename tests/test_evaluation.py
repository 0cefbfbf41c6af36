import pytest

from pipeline.chat.parse import parse_completion, render_completion
from pipeline.evaluation.figures import calibration_error, clustered, instruction_shares, summarise, wilson
from pipeline.generation.complete import Judged
from pipeline.generation.loop import Rollout


def judged(prompt, answer, sample=0):
    completion = parse_completion(render_completion("then", f"\\boxed{{{answer}}}"), ended=True)
    return Judged(prompt, sample, Rollout([1, 2], [False, False], True), completion, 3, [])


def test_wilson_is_the_published_interval():
    low, high = wilson(5, 10)
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_samples_of_one_problem_are_no_independent_trials():
    narrow = clustered([0.0, 1.0] * 200)
    wide = clustered([0.0, 1.0] * 50)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    assert clustered([1.0] * 10) == wilson(10, 10)


def test_calibration_error():
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([1.0, 1.0], [True, False]) == 0.5


def test_summary_of_samples(prompts):
    first, second = prompts[:2]
    good = first.problem.answer
    bad = str((int(second.problem.answer) + 1) % 10)
    rows = [judged(first, good, 0), judged(first, good, 1), judged(first, "77", 2)]
    rows += [judged(second, bad, 0), judged(second, bad, 1), judged(second, second.problem.answer, 2)]
    figures = summarise(rows)
    assert figures["accuracy"] == pytest.approx(0.5)
    assert (figures["n"], figures["k"]) == (2, 3)
    assert figures["pass_at_k"] == 1
    assert figures["maj_at_k"] == 0.5
    assert figures["mean_thinking_tokens"] == 3
    assert figures["truncated"] == 0
    assert figures["calibration_error"] == pytest.approx(abs(2 / 3 - 0.5))


def test_a_mixture_is_measured_by_family(prompts):
    from pipeline.problems import make_family
    from pipeline.problems.prompts import plain_prompt

    walk, count = prompts[0], plain_prompt(make_family("counting").sample(1, "test", (5, 5), seed=0)[0])
    figures = summarise([judged(walk, walk.problem.answer), judged(count, "77")])
    assert figures["by_family"] == {"walk": 1, "counting": 0}
    assert "by_family" not in summarise([judged(walk, "1"), judged(prompts[1], "1")])


def test_instructions_are_counted_by_kind_number_language_and_mode(prompts):
    from pipeline.problems.instructions import obey
    from pipeline.problems.prompts import plain_prompt

    english = next(prompt.problem for prompt in prompts if prompt.language == "en")
    rows = []
    for names, follows in ((("quote",), True), (("title",), False), (("quote", "end_with"), True)):
        prompt = plain_prompt(english, "no_think", names)
        box = f"\\boxed{{{english.answer}}}"
        text = render_completion("", obey(box, names, "en") if follows else box)
        rows.append(Judged(prompt, 0, Rollout([1], [False], True), parse_completion(text, True), 0, []))
    shares = instruction_shares(rows)
    assert shares == {
        "title": 0, "quote": 1, "end_with": 1, "alone": 0.5, "in_pairs": 1,
        "en": pytest.approx(2 / 3), "no_think": pytest.approx(2 / 3),
    }  # fmt: skip
