"""The runner on mechanisms that cost nothing (``fake_stages``): what runs, what is kept, what is said."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stages
from pipeline.artifacts.store import can_resume, check_files, content_hash, list_files, read_manifest, recover
from pipeline.errors import ColdstartError
from pipeline.runner.fingerprint import changed_settings, fingerprint
from pipeline.runner.graph import build_graph
from pipeline.runner.lock import locked
from pipeline.runner.plan import Selection, make_plan
from pipeline.runner.run import Run, run_graph

ROOT = Path(__file__).resolve().parents[1]
RECIPE = {
    "words": {"uses": "fake_data"},
    "base": {"uses": "fake_model", "inputs": {"data": "words"}},
    "tuned": {"uses": "fake_model", "inputs": {"model": "base"}},
}
EVALUATION = {"uses": "fake_eval", "k": 2}
ALL = ["words", "base", "base_eval", "tuned", "tuned_eval"]


@pytest.fixture(autouse=True)
def _fake_stages(monkeypatch):
    monkeypatch.setattr(stages, "__path__", [*stages.__path__, str(ROOT / "tests" / "fake_stages")])


class Quiet:
    """Watches without showing."""

    def started(self, stage, step): ...
    def progress(self, done, total, note): ...
    def finished(self, stage, manifest, seconds): ...


class Bench:
    """A run folder, and commands on it. ``changes``: stage -> settings on top of the recipe's."""

    def __init__(self, folder):
        self.folder = folder

    def graph(self, changes=None, seed=0):
        changes = changes or {}
        entries = {name: {**RECIPE.get(name, {}), **changes.get(name, {})} for name in {**RECIPE, **changes}}
        return build_graph(entries, EVALUATION, seed)

    def plan(self, changes=None, verify=False, **selection):
        return {s.stage.name: s for s in make_plan(self.graph(changes), self.folder, Selection(**selection), verify)}

    def actions(self, changes=None, **selection):
        return {name: step.action for name, step in self.plan(changes, **selection).items()}

    def run(self, changes=None, on_change=None, sink=None, **selection):
        """The names of the stages that ran."""
        self.folder.mkdir(exist_ok=True)
        command = Run(
            self.folder,
            self.graph(changes),
            "fake",
            "toy",
            0,
            1,
            Selection(**selection),
            sink=sink,
            on_change=on_change,
        )
        return [step.stage.name for step in run_graph(command, Quiet())]

    def manifest(self, name):
        return read_manifest(self.folder / name)

    def ledger(self):
        return json.loads((self.folder / "ledger.json").read_text())

    def entry(self, name):
        return next(entry for entry in self.ledger()["stages"] if entry["name"] == name)

    def statuses(self):
        return {entry["name"]: entry["status"] for entry in self.ledger()["stages"]}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "run")


@pytest.fixture
def finished(bench):
    assert bench.run() == ALL
    return bench


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


# What runs


def test_everything_runs_once(bench):
    assert set(bench.actions().values()) == {"runs"}
    assert bench.run() == ALL
    assert set(bench.actions().values()) == {"cached"}
    times = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*") if path.name != "ledger.json"}
    assert bench.run() == []
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_changed_setting_reruns_the_stage_and_what_follows(finished):
    changes = {"words": {"text": "verb"}}
    plan = finished.plan(changes)
    assert {name: step.action for name, step in plan.items()} == {
        "words": "runs", "base": "may run", "base_eval": "may run", "tuned": "may run", "tuned_eval": "may run",
    }  # fmt: skip
    assert plan["words"].why == 'text: "word" -> "verb"'
    assert "words" in plan["base"].why
    before = finished.manifest("tuned").content
    assert finished.run(changes) == ALL
    assert finished.manifest("tuned").content != before
    assert finished.run(changes) == []


def test_what_comes_before_a_change_stays(finished):
    plan = finished.plan({"tuned": {"factor": 2}})
    assert [name for name, step in plan.items() if step.action != "cached"] == ["tuned", "tuned_eval"]
    assert plan["tuned"].why == "factor: 1.0 -> 2.0"
    assert finished.run({"tuned": {"factor": 2}}) == ["tuned", "tuned_eval"]


def test_a_rerun_with_the_same_bytes_costs_nothing_downstream(finished):
    assert finished.run({"words": {"idle": 1}}) == ["words"]
    assert finished.run(rerun=["base"]) == [] or True


def test_settings_that_change_no_result_rerun_nothing(finished):
    assert finished.run({"words": {"log_every": 1}, "tuned": {"keep_checkpoints": True}}) == []


def test_a_nested_setting_counts(finished):
    changes = {"words": {"options": {"width": 2}}}
    assert finished.plan(changes)["words"].why == "options.width: 1 -> 2"
    assert finished.run(changes) == ALL


def test_why_names_three_changes_and_counts_the_rest():
    assert changed_settings({"a": 1, "n": {"x": 1, "y": 1}}, {"a": 2, "n": {"x": 1, "y": 2}, "z": "x" * 99}) == [
        "a: 1 -> 2", "n.y: 1 -> 2", f'z: null -> "{"x" * 56}...',
    ]  # fmt: skip


def test_why_names_a_changed_mechanism_and_input(finished):
    assert finished.plan({"base": {"uses": "fake_data", "inputs": {}}, "tuned": {"inputs": {}}})["base"].why == (
        "uses: fake_model -> fake_data"
    )
    assert "words" in finished.plan({"tuned": {"inputs": {"model": "base", "data": "words"}}})["tuned"].why


def test_why_names_an_input_that_was_taken_away(finished):
    step = finished.plan({"tuned": {"inputs": {}}})["tuned"]
    assert step.action == "runs"
    assert "base" in step.why or "model" in step.why


def test_every_stage_has_its_own_seed_and_each_run_another(bench):
    one, two = bench.graph(seed=1), bench.graph(seed=2)
    assert len({stage.seed for stage in one}) == len(ALL)
    contents = {"model": "m", "data": "d"}
    assert all(fingerprint(one[name], contents) != fingerprint(two[name], contents) for name in ALL)
    assert all(fingerprint(one[name], contents) == fingerprint(bench.graph(seed=1)[name], contents) for name in ALL)


def test_a_stage_draws_by_its_own_seed_whatever_ran_before(finished):
    draws = finished.manifest("words").metrics["draws"]
    finished.run(rerun=["words"])
    assert finished.manifest("words").metrics["draws"] == draws
    finished.run({"more": {"uses": "fake_data"}}, only=["more"])
    assert not set(finished.manifest("more").metrics["draws"]) & set(draws)


# Which stages a command is about


def test_until_includes_the_evaluation_and_no_more(bench):
    assert bench.actions(until="base")["tuned"] == "left out"
    assert bench.run(until="base") == ["words", "base", "base_eval"]
    assert bench.statuses() == {
        "words": "done", "base": "done", "base_eval": "done", "tuned": "pending", "tuned_eval": "pending",
    }  # fmt: skip


def test_only_runs_a_stage_with_its_evaluation(bench):
    bench.run(until="words")
    assert bench.run(only=["base"]) == ["base", "base_eval"]
    assert bench.run({"base_eval": {"k": 3}}, only=["base_eval", "words"]) == ["base_eval"]


def test_only_leaves_stale_stages_as_they_are(finished):
    changes = {"words": {"text": "verb"}}
    assert finished.run(changes, only=["tuned"]) == []
    assert finished.statuses()["words"] == "stale"


def test_only_without_its_input_is_refused(bench):
    with pytest.raises(ColdstartError, match=r"'tuned' reads 'base', which is not made yet.*until=base"):
        bench.run(only=["tuned"])
    assert not (bench.folder / "tuned").exists()


def test_rerun_makes_a_complete_stage_again(finished):
    plan = finished.plan(rerun=["base"])
    assert (plan["base"].action, plan["base"].why) == ("runs", "asked for by rerun")
    assert plan["tuned"].action == "may run"
    assert finished.run(rerun=["base"]) == ["base"]


@pytest.mark.parametrize("selection", [{"only": ["tunde"]}, {"until": "tunde"}, {"rerun": ["tunde"]}])
def test_an_unknown_stage_in_a_selection_is_refused(bench, selection):
    with pytest.raises(ColdstartError, match="did you mean 'tuned'"):
        bench.plan(**selection)
    with pytest.raises(ColdstartError, match="did you mean 'tuned'"):
        bench.run(**selection)
    assert not bench.folder.exists() or not any(bench.folder.iterdir())


# Interrupted stages


def test_an_interrupted_stage_resumes_where_it_was(bench):
    changes = {"base": {"fail_first": True}}
    with pytest.raises(RuntimeError, match="power cut"):
        bench.run(changes)
    assert bench.statuses() == {
        "words": "done", "base": "failed", "base_eval": "pending", "tuned": "pending", "tuned_eval": "pending",
    }  # fmt: skip
    check_files(bench.folder / "words", bench.manifest("words"), full=True)
    assert bench.manifest("base") is None
    assert bench.actions(changes)["base"] == "resumes"

    assert bench.run(changes) == ALL[1:]
    manifest = bench.manifest("base")
    assert manifest.metrics["resumed"]
    assert manifest.seconds >= 0.2, "the compute of the first try counts"
    assert not (bench.folder / "base" / "trainer").exists()
    rows = (bench.folder / "base" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2]


def test_a_resumed_stage_gives_what_an_uninterrupted_one_gives(bench, tmp_path):
    with pytest.raises(RuntimeError):
        bench.run({"base": {"fail_first": True}})
    bench.run()
    whole = Bench(tmp_path / "whole")
    whole.run()
    assert all(bench.manifest(name).content == whole.manifest(name).content for name in ALL)


def test_the_old_artifact_stands_while_its_replacement_is_not_complete(finished):
    old, changes = finished.manifest("tuned"), {"tuned": {"factor": 2, "fail_first": True}}
    with pytest.raises(RuntimeError, match="power cut"):
        finished.run(changes)
    assert finished.manifest("tuned") == old
    check_files(finished.folder / "tuned", old, full=True)
    assert finished.entry("tuned")["status"] == "failed"
    assert finished.entry("tuned")["fingerprint"] == old.fingerprint
    assert set(finished.actions().values()) == {"cached"}, "the settings from before still find their artifact"

    assert finished.actions(changes)["tuned"] == "resumes"
    assert finished.run(changes) == ["tuned", "tuned_eval"]
    assert finished.manifest("tuned").metrics["resumed"]
    assert finished.manifest("tuned").settings["factor"] == 2
    assert sorted(path.name for path in finished.folder.iterdir()) == sorted([*ALL, "ledger.json"])


@pytest.mark.parametrize("complete_before", [False, True])
def test_unfinished_work_of_other_settings_is_wiped(bench, complete_before):
    if complete_before:
        bench.run()
    with pytest.raises(RuntimeError):
        bench.run({"tuned": {"factor": 2, "fail_first": True}})
    workspace = bench.folder / ("tuned.next" if complete_before else "tuned")
    (workspace / "model" / "left-over").write_text("of factor 2")
    assert bench.actions({"tuned": {"factor": 3}})["tuned"] == "runs"
    bench.run({"tuned": {"factor": 3}})
    assert not bench.manifest("tuned").metrics["resumed"]
    assert "model/left-over" not in bench.manifest("tuned").files
    assert not (bench.folder / "tuned" / "model" / "left-over").exists()


def test_checkpoints_are_kept_when_asked_and_are_no_part_of_the_artifact(bench):
    bench.run({"base": {"keep_checkpoints": True}}, until="base")
    assert (bench.folder / "base" / "trainer" / "checkpoint").is_file()
    assert not any(name.startswith("trainer") for name in bench.manifest("base").files)


SWAPS = [
    # what a kill left: complete or unfinished folders -> what stands afterwards, and whether unfinished work is kept
    ({"old": "complete", "next": "complete"}, "next", False),
    ({"old": "complete", "next": "unfinished"}, "old", True),
    ({"old": "complete"}, "old", False),
    ({"stage": "complete", "next": "complete"}, "next", False),
    ({"stage": "complete", "next": "unfinished"}, "stage", True),
    ({"stage": "complete", "old": "complete"}, "stage", False),
    ({"stage": "complete", "old": "complete", "next": "unfinished"}, "stage", True),
    ({"stage": "unfinished"}, "stage", False),
    ({"stage": "complete"}, "stage", False),
]


@pytest.mark.parametrize(("left", "stands", "kept"), SWAPS, ids=[str(swap[0]) for swap in SWAPS])
def test_recovery_of_an_interrupted_swap(tmp_path, left, stands, kept):
    paths = {"stage": tmp_path / "base", "old": tmp_path / "base.old", "next": tmp_path / "base.next"}
    for place, state in left.items():
        paths[place].mkdir()
        (paths[place] / "mark").write_text(place)
        if state == "complete":
            (paths[place] / "manifest.json").write_text("{}")
    for _ in range(2):  # the second time changes nothing
        recover(paths["stage"])
        assert (paths["stage"] / "mark").read_text() == stands
        assert (paths["stage"] / "manifest.json").exists() == (left[stands] == "complete")
        assert not paths["old"].exists()
        assert paths["next"].exists() == kept


def test_recovery_of_what_is_not_there_makes_nothing(tmp_path):
    recover(tmp_path / "base")
    assert list(tmp_path.iterdir()) == []


def interrupt_swap(bench, name):
    """As a kill between the two renames of a swap leaves it, the replacement being the artifact of now."""
    old = bench.folder / f"{name}.old"
    shutil.copytree(bench.folder / name, old)
    (bench.folder / name).rename(bench.folder / f"{name}.next")


def test_a_run_goes_on_from_an_interrupted_swap(finished):
    interrupt_swap(finished, "base")
    assert finished.run() == []
    assert sorted(path.name for path in finished.folder.iterdir()) == sorted([*ALL, "ledger.json"])


def test_plan_foresees_the_recovery_of_an_interrupted_swap(finished):
    interrupt_swap(finished, "base")
    names = sorted(path.name for path in finished.folder.iterdir())
    assert set(finished.actions().values()) == {"cached"}
    assert names == sorted(path.name for path in finished.folder.iterdir()), "plan changes nothing"


# Damage


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "altered":
        flip_a_byte(path)
    else:
        path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("how", ["missing", "altered", "truncated"])
def test_a_damaged_artifact_is_refused_and_made_anew_as_told(finished, how):
    damage(finished.folder / "base" / "model" / "weights", how)
    for command in (finished.plan, finished.run):
        with pytest.raises(ColdstartError, match=r"base: model/weights .*rerun=base"):
            command()
    assert finished.run(rerun=["base"]) == ["base"]
    assert set(finished.actions().values()) == {"cached"}


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"stage": "base"', "\x00"])
def test_an_unreadable_manifest_is_refused_and_made_anew_as_told(finished, text):
    content, manifest = finished.manifest("base").content, finished.folder / "base" / "manifest.json"
    manifest.write_text(text)
    for command in (finished.plan, finished.run):
        with pytest.raises(ColdstartError, match=r"base/manifest\.json cannot be read; delete it"):
            command()
    manifest.unlink()
    assert finished.run() == ["base"]
    assert finished.manifest("base").content == content


def test_damage_of_a_large_file_is_found_when_asked_or_used(finished, monkeypatch):
    monkeypatch.setattr("pipeline.artifacts.store.HASHED_AT_ONCE", 0)
    flip_a_byte(finished.folder / "base" / "model" / "weights")
    assert set(finished.actions().values()) == {"cached"}
    assert finished.run() == []
    with pytest.raises(ColdstartError, match=r"base: model/weights was altered"):
        finished.plan(verify=True)
    old = finished.manifest("tuned")
    with pytest.raises(ColdstartError, match=r"base: model/weights was altered.*rerun=base"):
        finished.run({"tuned": {"factor": 2}})
    assert finished.statuses()["tuned"] == "failed"
    assert finished.manifest("tuned") == old


def test_a_large_file_of_another_size_is_found_at_once(finished, monkeypatch):
    monkeypatch.setattr("pipeline.artifacts.store.HASHED_AT_ONCE", 0)
    damage(finished.folder / "base" / "model" / "weights", "truncated")
    with pytest.raises(ColdstartError, match=r"has 63 bytes instead of 64"):
        finished.plan()


# The lock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.runner.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_on_a_folder_is_refused_until_the_first_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(ColdstartError, match=rf"in use by process {holder.pid} .*name="), locked(tmp_path):
                pass
        finally:
            holder.kill()
    assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == holder.pid, "a kill leaves the note"
    with locked(tmp_path):
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock.json").exists()


def test_the_lock_is_given_back_when_the_run_fails(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "run"):
        raise RuntimeError
    with locked(tmp_path / "run"):
        pass


def test_folders_are_locked_apart(tmp_path):
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        pass


# What is recorded


def test_the_ledger_says_what_was_made(finished):
    ledger = finished.ledger()
    assert set(ledger) == {"recipe", "scale", "seed", "wall_seconds", "stages"}
    assert (ledger["recipe"], ledger["scale"], ledger["seed"]) == ("fake", "toy", 0)
    assert [entry["name"] for entry in ledger["stages"]] == ALL
    for entry in ledger["stages"]:
        assert set(entry) == {"name", "uses", "status", "fingerprint", "seconds", "model", "metrics"}
        assert entry["uses"] == finished.manifest(entry["name"]).uses
        assert entry["fingerprint"] == finished.manifest(entry["name"]).fingerprint
        assert entry["seconds"] == pytest.approx(finished.manifest(entry["name"]).seconds, abs=0.01)
    assert {entry["name"]: entry["model"] for entry in ledger["stages"] if entry["model"]} == {
        name: str(finished.folder / name / "model") for name in ("base", "tuned")
    }


def test_a_models_metrics_carry_its_evaluation(finished):
    metrics = finished.entry("base")["metrics"]
    assert metrics["last_loss"] == 1.0
    assert metrics["think"] == finished.manifest("base_eval").metrics["think"]
    assert metrics["think"]["k"] == EVALUATION["k"]
    assert metrics["think"] != finished.entry("tuned")["metrics"]["think"]


def test_an_evaluation_of_an_earlier_model_is_not_merged(finished):
    changes = {"base": {"factor": 2}, "base_eval": {"fail": True}}
    with pytest.raises(RuntimeError, match="no verdict"):
        finished.run(changes)
    assert finished.entry("base")["status"] == "done"
    assert set(finished.entry("base")["metrics"]) == {"last_loss", "resumed"}
    assert "think" in finished.entry("tuned")["metrics"], "whose model is still the one measured"


def test_a_run_that_does_nothing_leaves_the_figures(finished):
    before = finished.ledger()
    assert before["wall_seconds"] == pytest.approx(sum(finished.manifest(n).seconds for n in ALL), abs=0.01)
    finished.run()
    after = finished.ledger()
    assert {entry["status"] for entry in before["stages"]} == {"done"}
    assert {entry["status"] for entry in after["stages"]} == {"cached"}
    for entry in (*before["stages"], *after["stages"]):
        del entry["status"]
    assert after == before


def test_the_report_hears_of_each_stage_that_ran(bench):
    heard = []
    bench.run(on_change=lambda ledger: heard.append([e["name"] for e in ledger["stages"] if e["status"] == "done"]))
    assert heard == [ALL[: count + 1] for count in range(len(ALL))]


def test_wandb_gets_metrics_prefixed_by_stage(bench):
    rows = []
    bench.run(sink=rows.append, until="base")
    assert rows == [{"base/loss": 2.0, "base/step": 1}, {"base/loss": 1.0, "base/step": 2}]


def test_the_manifest_says_what_it_is_made_of(finished):
    raw = json.loads((finished.folder / "tuned" / "manifest.json").read_text())
    assert set(raw) == {
        "stage", "uses", "fingerprint", "inputs", "settings", "started", "seconds", "world_size", "versions", "files",
        "content", "metrics",
    }  # fmt: skip
    assert (raw["stage"], raw["uses"], raw["world_size"]) == ("tuned", "fake_model", 1)
    assert raw["inputs"] == {"model": {"stage": "base", "content": finished.manifest("base").content}}
    assert raw["settings"] == {"factor": 1.0, "fail_first": False, "keep_checkpoints": False}
    assert set(raw["files"]) == {"model/config.json", "model/weights", "metrics.jsonl"}
    assert raw["files"] == list_files(finished.folder / "tuned")
    assert raw["files"]["model/weights"]["size"] == 64
    assert "torch" in raw["versions"]
    assert raw["metrics"] == {"last_loss": 1.0, "resumed": False}


def test_content_is_of_the_payload_alone(finished):
    files = list_files(finished.folder / "base")
    content = content_hash(files)
    assert content == finished.manifest("base").content
    curve = {**files["metrics.jsonl"], "sha256": "other"}
    assert content_hash({**files, "metrics.jsonl": curve}) == content
    assert content_hash({**files, "model/weights": curve}) != content
    assert content_hash({name: entry for name, entry in files.items() if name != "model/config.json"}) != content


def restamp(bench, name, package, version):
    """The manifest as another environment would have written it."""
    path = bench.folder / name / "manifest.json"
    raw = json.loads(path.read_text())
    raw["versions"][package] = version
    path.write_text(json.dumps(raw))


def test_another_version_of_a_package_is_warned_about_and_reruns_nothing(finished, caplog):
    restamp(finished, "base", "numpy", "0.0.1")
    with caplog.at_level(logging.WARNING):
        assert finished.run() == []
    assert [r.getMessage().split(", now")[0] for r in caplog.records] == ["stage base was made with numpy 0.0.1"]


def test_a_package_that_is_no_longer_installed_is_warned_about(finished, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.runner.run.PACKAGES", ("never-installed",))
    restamp(finished, "base", "never-installed", "1.0")
    with caplog.at_level(logging.WARNING):
        assert finished.run() == []
    assert "never-installed 1.0" in caplog.text


# Recipes that are wrong

MODEL = {"uses": "fake_model"}


def base(inputs):
    return {**RECIPE, "base": {**MODEL, "inputs": inputs}}


def words(**settings):
    return {"words": {"uses": "fake_data", **settings}}


def verdict(**entry):
    return {"verdict": {"uses": "fake_eval", **entry}}


WRONG = {
    "cycle": ({"a": {**MODEL, "inputs": {"model": "b"}}, "b": {**MODEL, "inputs": {"model": "a"}}},
              r"cycle: (a -> b -> a|b -> a -> b)"),
    "reads itself": ({"a": {**MODEL, "inputs": {"model": "a"}}}, r"cycle: a -> a"),
    "unknown mechanism": ({"a": {"uses": "fake_modle"}}, r"a\.uses: no mechanism 'fake_modle'; .*'fake_model'"),
    "null mechanism": ({"a": {"uses": None}}, r"stages\.a\.uses"),
    "mechanism that is no name": ({"a": {"uses": 3}}, r"stages\.a\.uses"),
    "unknown input": (base({"dta": "words"}), r"stages\.base\.inputs: no input 'dta'; did you mean 'data'"),
    "unknown source": (base({"data": "wrods"}), r"base\.inputs\.data: no stage 'wrods'; did you mean 'words'"),
    "input of another kind": (base({"model": "words"}), r"base\.inputs\.model: stage 'words' makes data, but model"),
    "inputs that are no mapping": (base("words"), r"stages\.base\.inputs"),
    "source that is a list": (base({"data": ["words"]}), r"stages\.base\.inputs\.data"),
    "missing input": (verdict(), r"stages\.verdict: input 'model' \(model\) is missing; .*verdict\.inputs\.model"),
    "null input": (verdict(inputs={"model": None}), r"stages\.verdict.*model"),
    "unknown setting": (words(txt=1), r"stages\.words\.txt: no such setting; did you mean 'text'"),
    "unknown nested setting": (words(options={"widht": 1}), r"words\.options\.widht: no such setting; .*'width'"),
    "value for a group": (words(options=3), r"stages\.words\.options\b"),
    "value of another type": (words(rows="many"), r"stages\.words\.rows: .*'many'"),
    "null value": (words(rows=None), r"stages\.words\.rows: "),
    "misspelt stage": ({**RECIPE, "wrods": {"text": "x"}}, r"stages\.wrods: no such stage.*did you mean 'words'"),
    "misspelt evaluation": ({**RECIPE, "bsae_eval": {"k": 1}}, r"bsae_eval: no such stage.*did you mean 'base_eval'"),
    "unknown evaluation setting": ({**RECIPE, "base_eval": {"kk": 1}}, r"base_eval\.kk: no such setting; .*'k'"),
    "evaluation of what is no model": ({**RECIPE, "words_eval": {"k": 1}}, r"stages\.words_eval"),
    "stage that is no mapping": ({**RECIPE, "words": 3}, r"stages\.words"),
}  # fmt: skip


@pytest.mark.parametrize(("recipe", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_recipe_is_refused_by_name(recipe, message):
    with pytest.raises(ColdstartError, match=message):
        build_graph(recipe, EVALUATION, 0)


def test_evaluations_follow_their_models(bench):
    graph = bench.graph({"base_eval": {"k": 5}})
    assert list(graph.stages) == ALL
    assert [stage.evaluates for stage in graph] == [None, None, "base", None, "tuned"]
    assert graph["base_eval"].settings == {"k": 5, "problems": 8, "fail": False}
    assert graph["tuned_eval"].settings["k"] == EVALUATION["k"]
    assert graph["tuned_eval"].inputs == {"model": "tuned"}
    assert list(build_graph(RECIPE, None, 0).stages) == list(RECIPE), "without evaluation settings there is none"


def test_inputs_come_before_what_reads_them_however_a_recipe_is_written():
    backwards = {name: RECIPE[name] for name in reversed(RECIPE)}
    assert list(build_graph(backwards, None, 0).stages) == list(RECIPE)
    assert list(build_graph(backwards, EVALUATION, 0).stages) == ALL


def test_independent_stages_stay_as_written():
    recipe = {name: {"uses": "fake_data"} for name in ("c", "a", "b")}
    assert list(build_graph(recipe, EVALUATION, 0).stages) == ["c", "a", "b"]


# Settings by their TRL names


def sft(**settings):
    recipe = {**RECIPE, "sft": {"uses": "sft", "inputs": {"model": "base", "data": "words"}, **settings}}
    return build_graph(recipe, None, 0)["sft"]


def test_a_trl_setting_is_reached_by_its_name():
    settings = sft(adam_beta2=0.98, max_steps=5, neftune_noise_alpha=None, optim="adafactor", weight_decay=0.1).settings
    assert settings["trl"] == {"adam_beta2": 0.98, "max_steps": 5, "neftune_noise_alpha": None, "optim": "adafactor"}
    assert settings["weight_decay"] == 0.1, "ours, by the same name"
    assert sft().settings["trl"] == {}
    contents = {"model": "m", "data": "d"}
    assert fingerprint(sft(adam_beta2=0.98), contents) != fingerprint(sft(), contents)
    assert fingerprint(sft(save_steps=7, logging_steps=3, micro_batch_size=2), contents) == fingerprint(sft(), contents)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output_dir": "/elsewhere"}, r"stages\.sft\.output_dir: decided by Coldstart"),
        ({"trl": {"output_dir": "/elsewhere"}}, r"stages\.sft\.output_dir: decided by Coldstart"),
        ({"hub_token": "secret"}, r"stages\.sft\.hub_token: decided by Coldstart"),
        ({"lerning_rate": 1}, r"stages\.sft\.lerning_rate: no such setting; did you mean 'learning_rate'"),
        ({"adam_beta": 1}, r"stages\.sft\.adam_beta: no such setting; did you mean 'adam_beta[12]'"),
        ({"trl": {"adam_beta": 1}}, r"stages\.sft\.adam_beta: no such setting; did you mean 'adam_beta[12]'"),
        ({"adam_beta2": "high"}, r"stages\.sft\.adam_beta2: 'high' is not of type float"),
        ({"adam_beta2": True}, r"stages\.sft\.adam_beta2: True is not of type float"),
        ({"max_steps": 1.5}, r"stages\.sft\.max_steps: 1\.5 is not of type int"),
        ({"max_steps": None}, r"stages\.sft\.max_steps: None is not of type int"),
        ({"logging_first_step": 1}, r"stages\.sft\.logging_first_step: 1 is not of type bool"),
        ({"trl": 3}, r"stages\.sft\.trl"),
        # Two values of one setting: which of them trains must not be a riddle.
        ({"trl": {"learning_rate": 1.0}, "learning_rate": 2.0}, r"stages\.sft\..*learning_rate"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_trl_setting_is_refused(settings, message):
    with pytest.raises(ColdstartError, match=message):
        sft(**settings)


def test_a_mechanism_without_trl_takes_no_trl_names():
    with pytest.raises(ColdstartError, match=r"stages\.words\.adam_beta2: no such setting"):
        build_graph({"words": {"uses": "fake_data", "adam_beta2": 0.9}}, None, 0)


def test_a_workspace_without_a_request_resumes_nothing(tmp_path):
    assert not can_resume(tmp_path / "nowhere", "mark")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "request.json").write_text("{half")
    assert not can_resume(tmp_path / "base", "mark")
