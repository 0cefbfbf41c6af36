import json

import numpy as np
import pytest

from pipeline.commands.report import report
from pipeline.errors import ColdstartError
from pipeline.evaluation.compare import bootstrap, compare, mcnemar


def answers(*right):
    return {f"problem {index}": [bool(value)] for index, value in enumerate(right)}


def test_mcnemar_is_the_exact_binomial_test():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(10, 0) == pytest.approx(2 / 2**10)
    assert mcnemar(1, 8) == mcnemar(8, 1) == pytest.approx(2 * (1 + 9) / 2**9)


def test_the_bootstrap_is_near_the_normal_interval_and_repeats():
    values = np.random.default_rng(1).normal(0.2, 1.0, 400)
    low, high = bootstrap(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert bootstrap(values) == [low, high]


def test_a_difference_is_paired_by_problem():
    """Alike in sum, and on no problem."""
    before, after = answers(*[1, 0] * 50), answers(*[0, 1] * 50)
    held = compare(before, after)
    assert (held.n, held.before, held.after, held.difference) == (100, 0.5, 0.5, 0)
    assert (len(held.gained), len(held.lost), held.p) == (50, 50, 1)
    assert not held.significant
    better = compare(answers(*[0] * 20, *[1] * 80), answers(*[1] * 100))
    assert better.significant
    assert better.p < 1e-5
    assert better.gained == [f"problem {index}" for index in range(20)]


def test_only_shared_problems_count_and_samples_have_no_mcnemar():
    several = {problem: [True, False] for problem in answers(0, 0, 0)}
    assert compare(several, several).p is None
    assert compare(answers(1, 0, 1), answers(1, 0)).n == 2
    assert compare(answers(1), answers(1)) is None


def write_budget(folder, right):
    folder.mkdir()
    rows = [
        {"budget": 4, "prompt": f"problem {index}", "correct": value, "completion": f"said {value}"}
        for index, value in enumerate(right)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "budget.json").write_text("{}")
    return folder


def test_two_budgets_side_by_side(tmp_path):
    one, two = write_budget(tmp_path / "one", [False] * 12), write_budget(tmp_path / "two", [True] * 12)
    written = report([one, two], tmp_path / "out")
    text = written.read_text()
    assert "# Against one" in text
    assert "## two" in text
    assert "**+100.0** [100.0, 100.0]" in text
    assert "said False" in text
    assert "said True" in text
    figures = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert figures["after"]["two"]["budget 4"]["gained"] == [f"problem {index}" for index in range(12)]


def test_mistakes(tmp_path):
    with pytest.raises(ColdstartError, match="which run"):
        report([], tmp_path)
    with pytest.raises(ColdstartError, match=r"has no ledger\.json"):
        report([tmp_path], tmp_path)
    one, two = write_budget(tmp_path / "one", [True] * 3), write_budget(tmp_path / "two", [])
    with pytest.raises(ColdstartError, match="no problem in common"):
        report([one, two], tmp_path / "out")
    assert not (tmp_path / "out").exists()
