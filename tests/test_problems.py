import json
import re
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from pipeline.artifacts.rows import read_rows, write_rows
from pipeline.chat.modes import FLAG, resolve_mode
from pipeline.errors import ColdstartError
from pipeline.problems import FAMILIES, Problem, Table, make_family, split_of, verify
from pipeline.problems.corpus import CorpusSettings, write_document
from pipeline.problems.instructions import INSTRUCTIONS, PAIRS, ask, followed, obey
from pipeline.problems.prompts import Prompt, PromptMix, changing_prompt, mixed_prompt, plain_prompt
from pipeline.problems.table import parse_number
from pipeline.problems.thoughts import CONNECTIVES, write_thought


def follow(question: str) -> str:
    """The walk's answer, from its question alone."""
    words = question.replace(".", " ").replace("。", " ").split()
    return str((int(words[1]) + sum(int(word[1:]) for word in words if len(word) == 3 and word[1] in "+-")) % 10)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_walks_answer_follows_from_its_question(language, rng):
    for difficulty in (1, 5, 12):
        problem = make_family("walk").make(rng, difficulty, language)
        assert problem.answer == follow(problem.question) == problem.steps[-1].value
        assert len(problem.steps) == difficulty
        assert verify(problem.answer, problem)
        assert not verify(str((int(problem.answer) + 1) % 10), problem)
        assert not verify("", problem)
        assert not verify(f"{problem.answer} {problem.answer}", problem)


def number(digits: str) -> int:
    """A labelled number (``h4 g7 f3``) or one written digit by digit."""
    return int("".join(word[-1] for word in digits.split()))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("difficulty", [1, 3, 6])
def test_answers_follow_from_their_questions(language, difficulty, rng):
    """Solved anew, from the question's text alone."""
    for _ in range(20):
        problem = make_family("addition").make(rng, difficulty, language)
        first, second = re.findall(r"(?:[a-z]\d ?)+", problem.question)
        assert number(problem.answer) == number(first) + number(second)
        problem = make_family("sorting").make(rng, difficulty, language)
        assert problem.answer.split() == sorted(word[-1] for word in re.findall(r"[a-z]\d", problem.question))
        problem = make_family("counting").make(rng, difficulty, language)
        letter = re.search(r"(?:count|数) (\w)", problem.question)[1]
        assert problem.answer == str([word[-1] for word in re.findall(r"\d+\w", problem.question)].count(letter))


@pytest.mark.parametrize(
    ("name", "answer", "right"),
    [
        ("addition", "1 0 5", True), ("addition", "0 1 0 5", True), ("addition", "105", False),
        ("addition", "1 0  5", False), ("addition", "", False), ("addition", "1 0 6", False),
        ("sorting", "1 0 5", True), ("sorting", "0 1 5", False), ("sorting", "", False),
        ("counting", "1 0 5", True), ("counting", "1", False),
    ],
)  # fmt: skip
def test_verification_is_strict(name, answer, right):
    assert verify(answer, Problem(name, "", "1 0 5", "en", 1, "")) is right


@pytest.mark.parametrize("name", ["walk", "addition", "sorting", "counting"])
def test_every_made_family_can_be_pretrained_on(name, rng):
    """Problems of the training split of each length, with steps that end at the answer."""
    family = make_family(name)
    for difficulty in (1, 5):
        problem = family.draw(rng, "train", (difficulty, difficulty))
        assert problem.steps[-1].value == problem.answer
        assert verify(problem.answer, problem)


def test_a_mixture_draws_from_its_members():
    options = {"mixture": {"walk": {"share": 3}, "addition": {"share": 1, "hardest": 2}}, "walk": {"zero_share": 0.9}}
    family = make_family("mixture", options)
    problems = family.sample(40, "test", (2, 6), seed=1)
    by_family = {name: [p for p in problems if p.family == name] for name in ("walk", "addition")}
    assert [len(part) for part in by_family.values()] == [30, 10]
    assert {p.difficulty for p in by_family["addition"]} == {2}
    idle = [step.text.endswith("+0") for p in by_family["walk"] for step in p.steps]
    assert sum(idle) / len(idle) > 0.75, "the members' own options hold"
    assert all(p.split == "test" and verify(p.answer, p) for p in problems)
    drawn = [family.draw(Random(seed), "train", (1, 6)).family for seed in range(200)]
    assert 0.6 < drawn.count("walk") / 200 < 0.9
    assert family.chance is None, "addition has no chance level"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs members"),
        ({"wakl": {}}, "did you mean 'walk'"),
        ({"walk": {"shar": 1}}, "did you mean 'share'"),
        ({"walk": {"share": 0}}, "share above 0"),
        ({"mixture": {}}, "no member of itself"),
    ],
)
def test_mistakes_in_a_mixture(options, message):
    with pytest.raises(ColdstartError, match=message):
        make_family("mixture", {"mixture": options})


def test_problems_from_reasoning_gym():
    pytest.importorskip("reasoning_gym", reason="the extra 'gym' is not installed")
    options = {"task": "chain_sum", "config": {"min_digits": 1}, "levels": ["min_terms", "max_terms"]}
    family = make_family("reasoning_gym", {"reasoning_gym": options})
    problems = family.sample(12, "test", (2, 5), seed=0)
    assert problems == family.sample(12, "test", (2, 5), seed=0)
    for problem in problems:
        question = problem.question.split(":")[1].removesuffix("=")
        assert question.count("+") + question.count("-") == problem.difficulty - 1
        assert verify(f" {problem.answer}.0", problem)
        assert not verify(str(int(problem.answer) + 1), problem)
    for settings, message in (
        ({"task": "chain_sun"}, "did you mean 'chain_sum'"),
        ({"task": "countdown"}, "no task 'countdown'"),  # many right answers
        ({"task": "chain_sum", "levels": ["min_term"]}, "did you mean 'min_terms'"),
    ):
        with pytest.raises(ColdstartError, match=message):
            make_family("reasoning_gym", {"reasoning_gym": settings})
    with pytest.raises(ColdstartError, match="refuses its settings"):
        make_family("reasoning_gym", {"reasoning_gym": options}).make(Random(0), 0, "en")


def test_reasoning_gyms_scorers_are_never_called():
    """They evaluate the text that they score."""
    source = (Path(__file__).parents[1] / "pipeline" / "problems" / "gym.py").read_text(encoding="utf-8")
    assert "score_answer(" not in source
    problem = Problem("reasoning_gym", "", "3", "en", 1, "")
    assert not verify("__import__('os').system('true') or 3", problem)
    assert not verify("1+2", problem)


def test_splits_ignore_wording_and_never_overlap():
    family = make_family("walk")
    by_split = {
        split: {p.canonical for p in family.sample(200, split, (2, 6), seed=3)}
        for split in ("train", "validation", "test")
    }
    assert not by_split["train"] & by_split["test"]
    assert not by_split["train"] & by_split["validation"]
    assert not by_split["validation"] & by_split["test"]
    english, chinese = family.make(Random(5), 4, "en"), family.make(Random(5), 4, "zh")
    assert english.question != chinese.question
    assert english.split == chinese.split


def test_shares_of_the_splits():
    counts = {"train": 0, "validation": 0, "test": 0}
    for index in range(4000):
        counts[split_of("walk", str(index))] += 1
    assert abs(counts["train"] / 4000 - 0.8) < 0.03
    assert abs(counts["test"] / 4000 - 0.1) < 0.02


def test_sampled_problems_are_different_even_and_repeatable():
    family = make_family("walk")
    problems = family.sample(48, "test", (1, 4), seed=7)
    assert len({problem.question for problem in problems}) == 48
    assert [p.difficulty for p in problems].count(3) == 12
    assert [p.language for p in problems].count("zh") == 24
    assert problems == family.sample(48, "test", (1, 4), seed=7)
    assert problems != family.sample(48, "test", (1, 4), seed=8)
    with pytest.raises(ColdstartError, match="fewer than"):
        family.sample(10**6, "test", (1, 1), seed=7)


def test_problem_rows_round_trip(rng):
    problem = make_family("walk").make(rng, 3, "zh")
    assert Problem.from_row(json.loads(json.dumps(problem.as_row()))) == problem


def test_zero_share_is_the_share_of_idle_steps(rng):
    family = make_family("walk", {"walk": {"zero_share": 0.6}})
    steps = [step for _ in range(300) for step in family.make(rng, 10, "en").steps]
    assert abs(sum(step.text.endswith("+0") for step in steps) / len(steps) - 0.6) < 0.04


def test_unknown_family_and_option():
    with pytest.raises(ColdstartError, match="did you mean 'walk'"):
        make_family("wakl")
    with pytest.raises(ColdstartError, match="zero_share"):
        make_family("walk", {"walk": {"zero_shar": 0.5}})


def test_options_are_by_family(tmp_path):
    path = write_jsonl(tmp_path / "p.jsonl", [{"question": "1+1?", "answer": "2"}])
    options = {"walk": {"zero_share": 0.5}, "table": {"path": path}}
    assert make_family("walk", options).zero_share == 0.5
    assert len(make_family("table", options).problems) == 1
    with pytest.raises(ColdstartError, match=r"needs family_options\.table\.path"):
        make_family("table", {"walk": {}})
    with pytest.raises(ColdstartError, match="did you mean 'walk'"):
        make_family("walk", {"wakl": {}})


def test_thoughts_are_in_their_language_unless_mixed(rng):
    problem = make_family("walk").make(rng, 8, "en")
    clean = write_thought(problem, rng)
    assert clean.complete
    assert clean.value == problem.answer
    assert not any(word in clean.text for word in CONNECTIVES["zh"])
    assert any(word in write_thought(problem, rng, mix=1.0).text for word in CONNECTIVES["zh"])


def test_a_stopped_thought_answers_the_value_reached(rng):
    problem = make_family("walk").make(rng, 8, "en")
    stopped = write_thought(problem, rng, stop=1.0)
    assert not stopped.complete
    assert stopped.text.count("\n") == 0
    assert stopped.value == problem.steps[0].value


def test_the_corpus_keeps_to_the_training_split(rng):
    family, settings = make_family("walk"), CorpusSettings(facts=0, instructions=0, tags=0)
    for _ in range(300):
        document = write_document(family, settings, rng, hardest=4)
        words = document.question.replace(".", " ").replace("。", " ").split()
        moves = [word[1:] for word in words if len(word) == 3 and word[1] in "+-"]
        assert split_of("walk", " ".join([words[1], *moves])) == "train"


ASKED = [*((kind,) for kind in sorted(INSTRUCTIONS)), *PAIRS]


@pytest.mark.parametrize("names", ASKED, ids=" ".join)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_instruction_is_followed_exactly(names, language):
    bare = "\\boxed{4}"
    obeyed = obey(bare, names, language)
    assert followed(obeyed, "4", names, language)
    assert followed(obeyed, "4", tuple(reversed(names)), language), "the order of asking does not matter"
    for others in [(), *ASKED]:
        if set(others) != set(names):
            assert not followed(obeyed, "4", others, language), "an extra that was not asked for costs"
    assert all(INSTRUCTIONS[name].wording[language] in ask("start", names, language) for name in names)


def test_enough_kinds_of_instruction():
    assert len(INSTRUCTIONS) >= 6
    assert {name for pair in PAIRS for name in pair} == set(INSTRUCTIONS), "each goes together with another"


def test_conversations_change_their_flag(rng):
    family = make_family("walk")
    prompts = [changing_prompt(family.draw(rng, "test", (1, 5)), family, rng, PromptMix()) for _ in range(200)]
    for prompt in prompts:
        flags = FLAG.findall(" ".join(m["content"] for m in prompt.messages if m["role"] == "user"))
        assert len(set(flags)) == 2
        assert prompt.mode == flags[-1]
    assert {len(prompt.messages) for prompt in prompts} == {5}
    unsaid = [prompt for prompt in prompts if "/" not in prompt.messages[-1]["content"]]
    assert {prompt.mode for prompt in unsaid} == {"think", "no_think"}, "an earlier flag may hold on"


def test_mixed_prompts_ask_for_the_mode_they_say(rng):
    family = make_family("walk")
    mix = PromptMix(flagged=0.5, instructions=0.5, multi_turn=0.5)
    prompts = [
        mixed_prompt(family.draw(rng, "train", (1, 5)), mode, mix, family, rng) for mode in ("think", "no_think") * 200
    ]
    for prompt in prompts:
        assert resolve_mode(prompt.messages) == prompt.mode
        assert Prompt.from_row(json.loads(json.dumps(prompt.as_row()))) == prompt
    changes = [p for p in prompts if len(p.messages) > 1 and resolve_mode(p.messages[:1]) != p.mode]
    implied = [
        p for p in prompts if len(p.messages) > 1 and "/" not in p.messages[-1]["content"] and p.mode == "no_think"
    ]
    assert changes
    assert implied, "an earlier /no_think may hold on without being said again"


def test_plain_prompt_appends_the_flag(rng):
    problem = make_family("walk").make(rng, 2, "en")
    prompt = plain_prompt(problem, "no_think", ("end_with",))
    assert prompt.messages[0]["content"] == f"{problem.question} end with done /no_think"
    assert prompt.mode == "no_think"


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("1,234", 1234), ("-3.5", Fraction(-7, 2)), ("1/2", Fraction(1, 2)), ("12%", Fraction(12, 100)),
     ("$18", 18), ("18.", 18), ("", None), ("18 dollars", None), ("1/0", None), ("1e9", None), ("9" * 100, None),
     ("__import__('os')", None)],
)  # fmt: skip
def test_numbers(text, value):
    assert parse_number(text) == value


def write_jsonl(path, rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def test_table_reads_question_and_answer(tmp_path):
    path = write_jsonl(
        tmp_path / "p.jsonl", [{"q": "two plus two?", "a": "so 2+2\n#### 4"}, {"q": "三加一?", "a": "4"}]
    )
    table = Table(path, question="q", answer="a")
    assert [(p.answer, p.language) for p in table.problems] == [("4", "en"), ("4", "zh")]
    assert verify("4.0", table.problems[0])
    assert not verify("5", table.problems[0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "a", "answer": "1"}, {"question": "a", "answr": "1"}], r"row 2: no column 'answer'.*'answr'"),
        ([{"question": "a", "answer": "1"}, {"question": "b", "answer": "about six"}], r"row 2: the gold answer"),
        ([{"question": "a", "answer": "1"}, "{broken"], r"row 2: not JSON"),
        (["[1]"], r"row 1: list instead"),
        ([], "has no rows"),
    ],
)
def test_table_refuses_bad_files(tmp_path, rows, message):
    with pytest.raises(ColdstartError, match=message):
        Table(write_jsonl(tmp_path / "p.jsonl", rows))


def test_a_line_separator_inside_a_row_is_text(tmp_path):
    """Some scraped problems hold U+2028, at which str.splitlines() splits."""
    row = {"question": "1+1\u2028=?", "answer": "2"}
    (tmp_path / "p.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert Table(str(tmp_path / "p.jsonl")).problems[0].question == "1+1\u2028=?"
    write_rows(tmp_path / "data" / "train.jsonl", [row, row])
    assert read_rows(tmp_path) == [row, row]


def test_table_refuses_a_missing_file():
    with pytest.raises(ColdstartError, match="does not exist"):
        Table("nowhere.jsonl")


def test_parquet_and_saved_data_sets_read_as_jsonl_does(tmp_path):
    import datasets

    rows = [{"question": "1+1?", "answer": "2"}, {"question": "二加二?", "answer": "4"}]
    table = Table(write_jsonl(tmp_path / "p.jsonl", rows))
    data = datasets.Dataset.from_list(rows)
    data.to_parquet(tmp_path / "p.parquet")
    data.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": data, "test": data.select([1])}).save_to_disk(tmp_path / "parts")
    for path in ("p.parquet", "saved", "parts"):
        assert Table(str(tmp_path / path)).problems == table.problems
    assert Table(str(tmp_path / "parts"), part="test").problems == table.problems[1:]
    with pytest.raises(ColdstartError, match="no split 'dev'; it has train, test"):
        Table(str(tmp_path / "parts"), part="dev")


@pytest.mark.parametrize("name", ["broken.parquet", "empty"])
def test_what_cannot_be_read_says_so(tmp_path, name):
    (tmp_path / "broken.parquet").write_text("no parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ColdstartError, match=name):
        Table(str(tmp_path / name))


def test_a_hub_id_that_is_not_cached_says_what_to_do():
    with pytest.raises(ColdstartError, match="in the Hugging Face cache when offline"):
        Table("nobody/nothing")


@pytest.mark.parametrize(("name", "rows", "language"), [("gsm8k_test", 1319, "en"), ("cmath", 600, "zh")])
def test_real_files_as_they_are(shared_data, name, rows, language):
    table = Table(str(shared_data / f"{name}.jsonl"))
    assert len(table.problems) == rows
    assert sum(problem.language == language for problem in table.problems) / rows > 0.99
    assert all(verify(problem.answer, problem) for problem in table.problems)


def test_every_family_is_registered_by_its_name():
    assert all(name == family.name for name, family in FAMILIES.items())
