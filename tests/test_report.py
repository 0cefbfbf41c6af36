"""The two reports of a run, on a run folder made by hand: no model, no training."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pipeline.compose import conf_dir
from pipeline.report.contents import read_contents
from pipeline.report.papers import PAPERS
from pipeline.report.samples import LONGEST, mark, shorten
from pipeline.report.write import write_report

HOSTILE = "<script>alert(1)</script></pre><img src=http://evil.example/x onerror=alert(2)>"
QUESTIONS = {
    "en": ["start 1 a+1. find x", "start 2 b+2 c+3. find x"],
    "zh": ["开始 1 d+1。求x", "开始 2 e+2 f+3。求x"],
}
STOP = {"en": "time is up", "zh": "时间到"}


def row(part, language, index, completion, **facts):
    flag = "" if facts.pop("plain", False) else " /no_think" if part == "no_think" else " /think"
    return {
        "part": part, "prompt": [{"role": "user", "content": QUESTIONS[language][index] + flag}],
        "language": language, "difficulty": index + 1, "gold": "7", "sample": 0, "instructions": [],
        "completion": completion, "fault": None, "correct": True, "language_share": 1.0,
        "thinking_tokens": 6, "cut": False, "truncated": False, **facts,
    }  # fmt: skip


def completions(first, second, plain=False):
    """Both problems of both languages in a part; the reports show the first of two levels."""
    rows = [row("think", lang, i, first, plain=plain) for lang in QUESTIONS for i in (0, 1)]
    return [row("think", lang, 0, second, sample=1, plain=plain) for lang in QUESTIONS] + rows


def fusion_rows():
    thought = "<think>\nthen a+1 2\n接着 c+3 7\n</think>\n\n\\boxed{7}"
    rows = completions(thought, "SECOND SAMPLE")
    for lang in QUESTIONS:
        rows.append(row("no_think", lang, 0, "<think>\n\n</think>\n\n\\boxed{3}", correct=False, thinking_tokens=0))
        rows.append(row("multi_turn", lang, 0, "NOT SHOWN"))
        rows.append(row("instructions", lang, 0, "NOT SHOWN", instructions=["end_with", "begin_with"]))
        for budget, cut in ((0, True), (4, True), (8, True), (10, True), (30, False)):
            text = f"<think>\nthen a+1 2\n{STOP[lang]}\n</think>\n\n\\boxed{{{budget}}}" if cut else thought
            rows.append(row(f"budget_{budget}", lang, 0, text, cut=cut))
    return rows


def figures(accuracy, low, high, **more):
    return {
        "accuracy": accuracy, "ci95": [low, high], "n": 504, "k": 4, "format": 0.998, "language": 0.575,
        "mean_thinking_tokens": 1234.56, **more,
    }  # fmt: skip


def point(budget, accuracy, forced):
    return {
        "budget": budget, "accuracy": accuracy, "ci95": [accuracy - 0.01, accuracy + 0.02], "n": 504,
        "forced": forced, "fits_or_chance": 0.1 * forced + accuracy * (1 - forced),
    }  # fmt: skip


METRICS = {
    "base": {"parameters": 391_200, "steps": 700, "capped": True, "think": figures(0.0, 0.0, 0.008, k=1)},
    "reasoning_rl": {
        "steps": 2, "think": figures(0.9813, 0.97, 0.991), "tokens_generated": 116_551,
        "tokens_wasted": {"groups_without_variance": 11_655, "truncated": 0}, "curve_window": 1,
        "first": {"reward": 2.7371, "entropy": 0.569, "length": 12.98, "rewards/accuracy": 0.4649},
        "last": {"reward": 2.9261, "entropy": 0.568, "length": 13.39, "rewards/accuracy": 0.5117},
    },
    "fusion": {
        "think": figures(0.9549, 0.938, 0.973), "no_think": figures(0.157, 0.134, 0.179),
        "mode_following": 0.9996, "think_follow": {"share": 0.8333, "ci95": [0.79, 0.87], "n": 200},
        "instruction_following": 0.515, "instruction_ci95": [0.446, 0.583], "instruction_n": 200,
        "instruction_by": {"begin_with": 0.61, "end_with": 0.42},
        "budget": [point(0, 0.17, 1.0), point(4, 0.3456, 0.5), point(8, 0.95, 0.0)],
    },
}  # fmt: skip
CURVES = [
    {
        "step": step, "reward": 2.7 + step, "entropy": 0.5, "completions/mean_length": 13.0,
        "rewards/accuracy/mean": 0.5, "rewards/format/mean": 0.9,
    }
    for step in (1, 2)
]  # fmt: skip
GRAPH = {
    "base": ("pretrain", {}), "reasoning_rl": ("grpo", {"model": "base"}), "fusion": ("sft", {"model": "reasoning_rl"}),
    "general_rl": ("grpo", {"model": "fusion"}),
}  # fmt: skip
ROWS = {
    "base": completions(f"{HOSTILE}\\boxed{{1}}", "SECOND SAMPLE", plain=True),
    "reasoning_rl": completions(f"<think>\n{HOSTILE}\n</think>\n\n{HOSTILE}", "SECOND SAMPLE", plain=True),
    "fusion": fusion_rows(),
}
for hostile in ROWS["base"]:
    hostile |= {"correct": False, "fault": "does not open with <think>", "thinking_tokens": 0}


class RunFolder:
    """A run folder with the stages up to ``done``; the rest of the graph is pending."""

    def __init__(self, folder: Path, done: tuple[str, ...], recipe="qwen3", metrics=METRICS, seed=0):
        self.folder, self.ledger = folder, {"recipe": recipe, "scale": "tiny", "seed": seed, "wall_seconds": 1241.4}
        self.ledger["stages"] = []
        folder.mkdir(exist_ok=True)
        for name, (uses, inputs) in GRAPH.items():
            is_done = name in done
            self.entry(name, uses, is_done, metrics.get(name, {}) if is_done else {}, model=is_done)
            self.entry(f"{name}_eval", "evaluate", is_done, {"evaluates": name})
            if is_done:
                self.manifest(name, uses, {key: {"stage": value} for key, value in inputs.items()}, f"content {name}")
                of = {"model": {"stage": name, "content": f"content {name}"}}
                self.manifest(f"{name}_eval", "evaluate", of, "", {"stop_sentence": STOP})
                if name in ROWS:
                    self.jsonl(f"{name}_eval/results/completions.jsonl", ROWS[name])
            if is_done and uses == "grpo":
                self.jsonl(f"{name}/metrics.jsonl", CURVES)

    def entry(self, name, uses, is_done, metrics, model=False):
        self.ledger["stages"].append({
            "name": name, "uses": uses, "status": "done" if is_done else "pending",
            "fingerprint": "f" if is_done else None, "seconds": 17.24 if is_done else None,
            "model": f"{name}/model" if model else None, "metrics": metrics,
        })  # fmt: skip

    def manifest(self, name, uses, inputs, content, settings=None):
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        manifest = {
            "stage": name, "uses": uses, "inputs": inputs, "settings": settings or {}, "content": content,
            "started": "2026-11-21T11:00:00+00:00", "versions": {"torch": "2.13.0+cpu", "git": "0123456789abcdef"},
        }  # fmt: skip
        (self.folder / name / "manifest.json").write_text(json.dumps(manifest))

    def jsonl(self, path, rows):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def reports(self):
        """Writes both and returns the page, read, and the Markdown."""
        write_report(self.folder, self.ledger)
        page = Page()
        page.feed((self.folder / "report.html").read_text(encoding="utf-8"))
        return page, (self.folder / "report.md").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a browser would see: tags, attributes, headings, tables as rows of texts, marked words."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.headings, self.tables, self.marks, self.text = [], [], [], [], [], ""
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "mark":
            self.marks.append((dict(attrs)["class"], ""))

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data
        if "table" in self.open and ("td" in self.open or "th" in self.open):
            cell = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = f"{cell} {data.strip()}".strip()
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)
        if "mark" in self.open:
            kind, text = self.marks[-1]
            self.marks[-1] = (kind, text + data)

    def table(self, head):
        """The one table whose head starts so: name of a row -> its cells by column."""
        (found,) = [table for table in self.tables if any(row[: len(head)] == head for row in table)]
        start = next(i for i, row in enumerate(found) if row[: len(head)] == head)
        return {row[0]: dict(zip(found[start][1:], row[1:], strict=True)) for row in found[start + 1 :]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return RunFolder(tmp_path_factory.mktemp("runs") / "qwen3-tiny", ("base", "reasoning_rl", "fusion"))


@pytest.fixture(scope="module")
def reports(run):
    return run.reports()


def markdown_rows(text, name):
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith(f"| {name}")
    ]


# Figures


def test_the_head_says_what_was_run(reports):
    page, text = reports
    assert page.headings[0] == "qwen3-tiny"
    for word in ("1,241 seconds", "116,551 tokens generated", "seed 0"):
        assert word in page.text
        assert word in text
    assert "A model of 0.39M parameters (base, made by pretrain) was trained by reasoning_rl (grpo)" in page.text
    assert "`reasoning_rl` (grpo)" in text
    assert "Not made yet: general_rl, general_rl_eval." in page.text


def test_the_results_of_both_reports_are_the_ledgers(reports):
    page, text = reports
    assert page.table(["stage", "thinking"]) == {
        "base capped": {
            "thinking": "0.0 [0.0, 0.8]", "not thinking": "–", "format": "99.8", "one language": "57.5",
            "mode followed": "–", "ThinkFollow": "–", "instruction followed": "–", "thought tokens": "1,234.6",
            "n × k": "504 × 1",
        },
        "reasoning_rl": {
            "thinking": "98.1 [97.0, 99.1]", "not thinking": "–", "format": "99.8", "one language": "57.5",
            "mode followed": "–", "ThinkFollow": "–", "instruction followed": "–", "thought tokens": "1,234.6",
            "n × k": "504 × 4",
        },
        "fusion": {
            "thinking": "95.5 [93.8, 97.3]", "not thinking": "15.7 [13.4, 17.9]", "format": "99.8",
            "one language": "57.5", "mode followed": "100.0", "ThinkFollow": "83.3 [79.0, 87.0]",
            "instruction followed": "51.5 [44.6, 58.3]", "thought tokens": "1,234.6", "n × k": "504 × 4",
        },
    }  # fmt: skip
    assert markdown_rows(text, "fusion")[0][:3] == ["fusion", "95.5 [93.8, 97.3]", "15.7 [13.4, 17.9]"]
    assert markdown_rows(text, "base (capped)")[0][1] == "0.0 [0.0, 0.8]"


def test_the_papers_figures_stand_beside_the_runs_with_their_changes(reports):
    page, text = reports
    (rows,) = [table[2:] for table in page.tables if table[0][:2] == ["", "thinking"]]
    assert rows == [
        ["reasoning_rl stage 2, reasoning RL", "83.8", "98.1", "–", "–", "–", "–", "73.0", "–"],
        ["fusion stage 3, thinking-mode fusion", "81.9 (−1.9)", "95.5 (−2.6)", "28.5", "15.7", "88.7", "83.3",
         "78.4 (+5.4)", "51.5"],
        ["general_rl stage 4, general RL", "81.4 (−0.5)", "–", "31.0 (+2.5)", "–", "98.9 (+10.2)", "–",
         "85.0 (+6.6)", "–"],
    ]  # fmt: skip
    assert "levels do not compare" in page.text
    assert "Table 22" in page.text
    assert "Table 21" not in page.text  # no stage of it has a figure yet
    assert "81.9 (−1.9) | 95.5 (−2.6)" in text


def test_the_papers_are_keyed_by_stages_of_their_recipe():
    recipe = OmegaConf.load(conf_dir() / "recipe" / "qwen3.yaml")
    keys = {name for paper in PAPERS["qwen3"] for name in paper.stages}
    assert keys - set(recipe.stages) == {"rl_instead"}


def test_the_budget_curve_and_its_table(reports):
    page, text = reports
    assert "Accuracy against the thinking budget" in page.headings
    table = page.table(["budget (tokens)"])
    assert table["fusion"] == {"0": "17.0 [16.0, 19.0]", "4": "34.6 [33.6, 36.6]", "8": "95.0 [94.0, 97.0]"}
    assert table["fits or chance"] == {"0": "10.0", "4": "22.3", "8": "95.0"}
    assert "Chance is 10%." in page.text
    for label in ("the thought fits, or chance", "not thinking", "chance", "thinking budget (tokens)"):
        assert label in page.text
    assert markdown_rows(text, "fits or chance") == [["fits or chance", "10.0", "22.3", "95.0"]]


def test_the_curves_of_rl(reports, run):
    page, _ = reports
    assert page.table(["mean over steps"])["accuracy"] == {"first 1": "0.465", "last 1": "0.512"}
    assert page.table(["mean over steps"])["completion length (tokens)"] == {"first 1": "13.0", "last 1": "13.4"}
    assert page.tags.count("svg") == 2
    for label in ("rewards by component (0 to 1)", "completion length (tokens)", "entropy (nats)", "format"):
        assert label in page.text
    assert (run.folder / "report" / "reasoning_rl.png").stat().st_size > 1000
    assert (run.folder / "report" / "budget.png").stat().st_size > 1000


def test_instructions_by_kind(reports):
    page, text = reports
    assert page.table(["kind"]) == {"begin_with": {"fusion": "61.0"}, "end_with": {"fusion": "42.0"}}
    assert markdown_rows(text, "end_with") == [["end_with", "42.0"]]


def test_time_and_tokens_of_every_stage(reports):
    page, text = reports
    costs = page.table(["stage", "uses"])
    assert costs["reasoning_rl"] == {
        "uses": "grpo", "status": "done", "seconds": "17.2", "steps": "2", "tokens generated": "116,551",
        "of them wasted": "groups without variance 11,655 (10.0%); truncated 0",
    }  # fmt: skip
    assert costs["general_rl"]["status"] == "pending"
    assert (costs["total"]["seconds"], costs["total"]["tokens generated"]) == ("1,241.4", "116,551")
    assert "groups without variance 11,655 (10.0%)" in text


def test_the_foot_repeats_the_run(reports):
    page, text = reports
    assert "coldstart run recipe=qwen3 scale=tiny" in page.text
    assert "coldstart run recipe=qwen3 scale=tiny\n" in text
    assert "torch 2.13.0+cpu, git 0123456789ab." in page.text


@pytest.mark.parametrize(
    ("name", "seed", "command"),
    [
        ("qwen3-tiny-s7", 7, "recipe=qwen3 scale=tiny seed=7"),
        ("qwen3-tiny-s0", 0, "recipe=qwen3 scale=tiny seed=0"),
        ("my run", 7, "recipe=qwen3 scale=tiny seed=7 'name=my run'"),
    ],
)
def test_the_command_makes_a_run_of_this_name(tmp_path, name, seed, command):
    run = RunFolder(tmp_path / name, ("base",), seed=seed)
    assert read_contents(run.folder, run.ledger).command == f"coldstart run {command}"


# Samples


def test_one_problem_in_each_language_through_all_stages(run):
    stories = read_contents(run.folder, run.ledger).stories
    assert [(story.language, story.question) for story in stories] == [
        ("en", QUESTIONS["en"][0]),
        ("zh", QUESTIONS["zh"][0]),
    ]
    for story in stories:
        assert [stage for stage, _ in story.stages] == ["base", "reasoning_rl", "fusion"]
        assert list(story.stages[0][1]) == ["think"]
        assert list(story.stages[2][1]) == ["think", "no_think", "budget_8"]  # the middle one of those that cut it
        assert [sample.verdict for sample in story.stages[2][1].values()] == ["right", "wrong", "right"]
        assert story.stages[0][1]["think"].verdict == "fault"


def test_samples_are_the_first_ones_with_thought_and_answer_apart(reports):
    page, text = reports
    for shown in (page.text, text):
        assert "SECOND SAMPLE" not in shown
        assert "NOT SHOWN" not in shown
    assert "no thought" in page.text
    assert "thinking, budget of 8 tokens" in page.text
    assert "⚠ does not open with <think>" in page.text
    assert page.text.count("✓ right") == 6  # RL, fusion and its cut thought, in two languages
    assert page.text.count("✗ wrong") == 2
    pieces = re.split(r"\s+", page.text)
    assert "</think>" not in pieces  # the tags of a well-formed block are not shown: the thought has a place of its own


def test_words_in_the_wrong_language_and_stop_sentences_are_marked(reports, run):
    page, _ = reports
    for story in read_contents(run.folder, run.ledger).stories:
        thought = dict(story.stages)["fusion"]["think"].thought
        assert [p.text for p in thought if p.kind == "foreign"] == [{"en": "接着", "zh": "then"}[story.language]]
    assert {text for kind, text in page.marks if kind == "stop"} == {"stop sentence", *STOP.values()}
    assert {"接着", "then"} <= {text for kind, text in page.marks if kind == "foreign"}


def test_marks_follow_the_language_rewards_rules():
    def foreign(thought, language):
        return [piece.text for piece in mark(thought, language) if piece.kind == "foreign"]

    assert foreign("so x+1 2, \\frac{1}{2} and $speed$ 好的 然后", "en") == ["好的", "然后"]
    assert foreign("所以 x+1 2, \\boxed{3} then $speed$ x", "zh") == ["then"]
    pieces = mark("接着 a 1\ntime is up", "en", "time is up")
    assert [(piece.text, piece.kind) for piece in pieces] == [
        ("接着", "foreign"), (" a 1\n", "plain"), ("time is up", "stop"),
    ]  # fmt: skip


def test_a_long_thought_is_shown_without_its_middle():
    text = "a" * LONGEST + "b" * LONGEST
    assert "[… 6,000 characters left out …]" in shorten(text)
    assert len(shorten(text)) < LONGEST + 100
    assert shorten(text[:LONGEST]) == text[:LONGEST]


def test_completions_of_another_model_than_the_ledgers_are_not_shown(tmp_path):
    run = RunFolder(tmp_path, ("base", "reasoning_rl"))
    run.manifest("reasoning_rl", "grpo", {"model": {"stage": "base"}}, "content of a newer one")
    stories = read_contents(run.folder, run.ledger).stories
    assert [stage for stage, _ in stories[0].stages] == ["base"]


def test_each_file_of_completions_is_read_once(run, monkeypatch):
    opened, plain_open = [], Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *args, **keys: opened.append(self) or plain_open(self, *args, **keys)
    )
    write_report(run.folder, run.ledger)
    completions_files = [path for path in opened if path.name == "completions.jsonl"]
    assert len(completions_files) == len(set(completions_files)) == 3


# The page


def test_text_of_a_model_is_text(reports, run):
    page, _ = reports
    raw = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in raw
    assert "<img" not in raw
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in raw
    assert {"script", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) == 6  # as an answer of the base's, as thought and answer of RL's, in two languages


def test_the_page_needs_nothing_but_itself(reports, run):
    page, _ = reports
    links = [
        (tag, value) for tag, name, value in page.attributes if name in ("src", "href", "xlink:href", "data", "action")
    ]
    assert {value for tag, value in links if tag == "a"} == {"https://arxiv.org/abs/2505.09388"}
    assert all(value.startswith("#") for tag, value in links if tag != "a")
    assert {"link", "script"}.isdisjoint(page.tags)
    raw = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in raw
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", raw))
    ids = re.findall(r' id="([^"]+)"', raw)
    assert len(ids) == len(set(ids))


def test_the_same_run_gives_the_same_bytes(run, reports):
    files = [run.folder / name for name in ("report.html", "report.md", "report/budget.png", "report/reasoning_rl.png")]
    before = [file.read_bytes() for file in files]
    run.reports()
    assert [file.read_bytes() for file in files] == before


# What a run does not have


@pytest.mark.parametrize("done", [(), ("base",), ("base", "reasoning_rl")])
def test_a_report_is_made_from_the_first_stage_on(tmp_path, done):
    page, text = RunFolder(tmp_path / "run", done).reports()
    assert ("Nothing is evaluated yet." in page.text) == (not done)
    assert "Accuracy against the thinking budget" not in page.headings
    assert ("Reinforcement learning" in page.headings) == ("reasoning_rl" in done)
    assert "Instruction following by kind" not in page.headings
    assert page.headings[-2:] == ["Time and tokens", "To repeat it"]
    assert "## What each stage cost" in text


def test_r1_zero_stands_beside_its_paper(tmp_path):
    page, _ = RunFolder(tmp_path / "run", ("base", "reasoning_rl"), "r1_zero").reports()
    (rows,) = [table[2:] for table in page.tables if table[0][:2] == ["", "thinking"]]
    assert [row[:3] for row in rows] == [
        ["base DeepSeek-V3-Base", "15.6", "0.0"], ["reasoning_rl R1-Zero", "77.9 (+62.3)", "98.1 (+98.1)"],
    ]  # fmt: skip


def test_another_recipe_has_no_paper_and_needs_no_key(tmp_path):
    bare = {"base": {}, "reasoning_rl": {"think": {"accuracy": 0.5, "ci95": [0.4, 0.6]}}, "fusion": {"no_think": {}}}
    page, text = RunFolder(tmp_path / "run", ("base", "reasoning_rl", "fusion"), "mine", bare).reports()
    assert page.table(["stage", "thinking"]) == {"reasoning_rl": {"thinking": "50.0 [40.0, 60.0]", "n × k": "? × ?"}}
    assert "The same stages in the paper" not in page.text
    assert "arxiv" not in text


def test_rows_without_the_newer_keys_are_shown(tmp_path):
    run = RunFolder(tmp_path / "run", ("base",))
    old = {"part": "think", "prompt": [{"role": "user", "content": "1+1?"}], "language": "en", "completion": "2"}
    run.jsonl("base_eval/results/completions.jsonl", [old])
    page, _ = run.reports()
    assert "1+1?" in page.text
    assert "✗ wrong" in page.text
