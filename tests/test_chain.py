"""The whole chain at ``scale=nano``, as a user runs it: once from nothing, then what a second look may ask."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("base", "cold_start", "reasoning_rl", "fusion", "general_rl", "student", "distill_offline", "distill")
TWO_MODES = ("fusion", "general_rl", "distill_offline", "distill")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", *arguments]


def coldstart(*arguments: str) -> str:
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "300"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with one finished run."""
    runs = tmp_path_factory.mktemp("runs")
    coldstart("run", "scale=nano", f"runs_dir={runs}", "wandb.mode=offline")
    return runs


@pytest.fixture(scope="module")
def run(runs) -> Path:
    return runs / "qwen3-nano"


@pytest.fixture
def copy(run, tmp_path) -> Path:
    """The finished run, to be spoiled."""
    shutil.copytree(run, tmp_path / run.name)
    return tmp_path / run.name


def read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def actions(*arguments: str) -> dict[str, str]:
    """Stage -> what ``plan`` says of it."""
    found = {}
    for line in coldstart("plan", "scale=nano", *arguments).splitlines():
        words = line.split()
        for action in ("may run", "left out", "cached", "resumes", "runs"):
            if len(words) > 2 and " ".join(words[2:]).startswith(action):
                found[words[0]] = action
                break
    return found


def stage_status(folder: Path) -> dict[str, str]:
    return {stage["name"]: stage["status"] for stage in read(folder / "ledger.json")["stages"]}


def test_every_stage_is_done_and_evaluated(run):
    ledger = read(run / "ledger.json")
    assert (ledger["recipe"], ledger["scale"], ledger["seed"]) == ("qwen3", "nano", 0)
    assert {stage["status"] for stage in ledger["stages"]} == {"done"}
    stages = {stage["name"]: stage for stage in ledger["stages"]}
    assert ledger["wall_seconds"] == pytest.approx(sum(s["seconds"] for s in ledger["stages"]), abs=0.2)
    for name in MODELS:
        metrics = stages[name]["metrics"]
        low, high = metrics["think"]["ci95"]
        assert low <= metrics["think"]["accuracy"] <= high
        assert metrics["think"]["n"] == 48
        assert Path(stages[name]["model"]).is_dir()
    for name in TWO_MODES:
        metrics = stages[name]["metrics"]
        assert 0 <= metrics["mode_following"] <= 1
        assert 0 <= metrics["instruction_following"] <= 1
        assert {"alone", "in_pairs", "en", "zh", "think", "no_think", "begin_with"} <= set(metrics["instruction_by"])
        low, high = metrics["think_follow"]["ci95"]
        assert low <= metrics["think_follow"]["share"] <= high
        assert [point["budget"] for point in metrics["budget"]] == [0, 2, 4, 6, 8, 10]
        assert all({"accuracy", "ci95", "n", "forced", "fits_or_chance"} <= set(point) for point in metrics["budget"])
    for name in ("reasoning_rl", "general_rl"):
        metrics = stages[name]["metrics"]
        assert metrics["tokens_generated"] > 0
        assert "rewards/accuracy" in metrics["first"]
    assert stages["distill"]["metrics"]["parameters"] < stages["distill"]["metrics"]["teacher_parameters"]


def test_the_chain_learns(run):
    """Loose, as nano is tiny's test and not its proof: the base reads, the cold start thinks in the right format."""
    stages = {stage["name"]: stage["metrics"] for stage in read(run / "ledger.json")["stages"]}
    assert stages["base"]["text_accuracy"] > 0.5
    assert stages["base"]["think"]["accuracy"] == 0, "nobody has shown the base a think block"
    assert stages["cold_start"]["think"]["accuracy"] > 0.3
    assert stages["cold_start"]["think"]["format"] > 0.8
    assert stages["distill"]["last_loss"] < stages["distill"]["first_loss"]


def test_every_figure_can_be_recomputed(run):
    rows = [
        json.loads(line)
        for line in (run / "fusion_eval" / "results" / "completions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    metrics = {s["name"]: s["metrics"] for s in read(run / "ledger.json")["stages"]}["fusion"]
    think = [row["correct"] for row in rows if row["part"] == "think"]
    assert sum(think) / len(think) == pytest.approx(metrics["think"]["accuracy"])
    for point in metrics["budget"]:
        part = [row for row in rows if row["part"] == f"budget_{point['budget']}"]
        assert sum(row["correct"] for row in part) / len(part) == pytest.approx(point["accuracy"])
        assert all(row["thinking_tokens"] <= point["budget"] for row in part)


def test_the_run_folder_is_as_documented(run):
    assert {"config.yaml", "ledger.json", "log.txt", "report.html", "report.md", "wandb"} <= {
        path.name for path in run.iterdir()
    }
    assert (run / "report" / "budget.png").stat().st_size > 1000
    manifest = read(run / "reasoning_rl" / "manifest.json")
    assert manifest["stage"] == "reasoning_rl"
    assert manifest["inputs"]["model"]["stage"] == "cold_start"
    assert manifest["inputs"]["model"]["content"] == read(run / "cold_start" / "manifest.json")["content"]
    assert {"model/model.safetensors", "model/chat_template.jinja", "metrics.jsonl"} <= set(manifest["files"])
    assert manifest["versions"]["trl"].startswith("1.16")
    assert not (run / "reasoning_rl" / "trainer").exists()
    assert (run / "reasoning_rl" / "samples.jsonl").stat().st_size > 0


def test_fusion_data_has_every_kind_of_row(run):
    rows = [json.loads(line) for line in (run / "fusion_data" / "data" / "train.jsonl").read_text().splitlines()]
    asked = [row["messages"][-1]["content"] for row in rows]
    assert any(row["mode"] == "no_think" and row["completion"].startswith("<think>\n\n</think>\n\n") for row in rows)
    assert any(text.endswith("/think") for text in asked)
    assert any("/" not in text for text in asked)
    assert any(len(row["messages"]) > 1 for row in rows)
    assert any(row["untrained"].endswith("</think>\n\n") for row in rows)


@pytest.mark.parametrize("name", MODELS)
def test_plain_transformers_loads_every_model(run, name):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = run / name / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for thinking in (True, False):
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": "start 3 f+1. find x"}],
            add_generation_prompt=True,
            enable_thinking=thinking,
            return_tensors="pt",
            return_dict=True,
        )
        text = tokenizer.decode(inputs["input_ids"][0])
        assert text.endswith("assistant\n" if thinking else "<think>\n\n</think>\n\n")
        torch.manual_seed(0)
        assert model.generate(**inputs, max_new_tokens=4).shape[1] > inputs["input_ids"].shape[1]
    assert model.generation_config.temperature == 0.6


def test_a_second_run_does_nothing_and_says_so(runs, run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")}
    seconds = read(run / "ledger.json")["wall_seconds"]
    started = time.monotonic()
    assert "nothing to do" in coldstart("run", "scale=nano", f"runs_dir={runs}")
    assert time.monotonic() - started < 20
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("manifest.json")}
    ledger = read(run / "ledger.json")
    assert ledger["wall_seconds"] == seconds
    assert {stage["status"] for stage in ledger["stages"]} == {"cached"}


def test_plan_tells_what_a_change_costs(runs):
    here = f"runs_dir={runs}"
    assert set(actions(here).values()) == {"cached"}
    changed = actions(here, "stages.fusion.learning_rate=1e-3")
    assert changed["fusion"] == "runs"
    assert changed["fusion_data"] == changed["reasoning_rl"] == changed["student"] == "cached"
    assert changed["general_rl"] == changed["teacher_samples"] == changed["distill_eval"] == "may run"
    measured = actions(here, "evaluation.k=1")
    assert {name for name, action in measured.items() if action == "runs"} <= {f"{name}_eval" for name in MODELS}
    assert all(measured[name] == "cached" for name in MODELS)
    assert set(actions(here, "threads=1", "wandb.mode=offline").values()) == {"cached"}
    assert actions(here, "seed=7", "name=qwen3-nano")["base"] == "runs"


def test_a_new_rate_for_fusion_samples_no_data_again(copy):
    data = (copy / "fusion_data" / "manifest.json").stat().st_mtime_ns
    coldstart("run", "scale=nano", f"runs_dir={copy.parent}", "stages.fusion.learning_rate=1e-3", "until=fusion")
    status = {stage["name"]: stage["status"] for stage in read(copy / "ledger.json")["stages"]}
    assert status["fusion"] == status["fusion_eval"] == "done"
    assert status["fusion_data"] == status["base"] == "cached"
    assert status["general_rl"] == "stale"
    assert (copy / "fusion_data" / "manifest.json").stat().st_mtime_ns == data


@pytest.mark.parametrize("stage", ["base", "fusion", "reasoning_rl", "distill"])
def test_a_killed_stage_goes_on_to_the_same_weights(copy, stage):
    """SIGKILL after the first checkpoint; the same command then ends with the very bytes of an uninterrupted run."""
    whole = read(copy / stage / "manifest.json")["content"]
    shutil.rmtree(copy / stage)
    arguments = ["run", "scale=nano", f"runs_dir={copy.parent}", f"only={stage}", f"stages.{stage}.save_steps=2"]
    process = subprocess.Popen(command(*arguments), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((copy / stage / "trainer").rglob("checkpoint-*/complete.json")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (copy / stage / "manifest.json").exists()
    assert actions(f"runs_dir={copy.parent}", f"only={stage}")[stage] == "resumes"
    coldstart(*arguments)
    assert read(copy / stage / "manifest.json")["content"] == whole
    steps = [json.loads(line)["step"] for line in (copy / stage / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps), "no step is told twice"


def test_a_schedulers_stop_is_no_failure(copy):
    shutil.rmtree(copy / "base")
    arguments = ["run", "scale=nano", f"runs_dir={copy.parent}", "only=base", "stages.base.save_steps=5"]
    process = subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list((copy / "base" / "trainer").rglob("checkpoint-*/complete.json")):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert stage_status(copy)["base"] == "pending"
    assert actions(f"runs_dir={copy.parent}", "only=base")["base"] == "resumes"


def test_a_deleted_report_comes_back(copy):
    for name in ("report.md", "report.html"):
        (copy / name).unlink()
    assert "nothing to do" in coldstart("run", "scale=nano", f"runs_dir={copy.parent}")
    assert (copy / "report.md").is_file()
    assert (copy / "report.html").is_file()


@pytest.mark.parametrize("stage", ["fusion", "reasoning_rl"])
def test_no_checkpoint_stands_where_a_training_ended(copy, stage):
    """A kill between the last step and the seal would else resume there, and train on."""
    shutil.rmtree(copy / stage)
    keep = [f"stages.{stage}.save_steps=1", f"stages.{stage}.keep_checkpoints=true"]
    coldstart("run", "scale=nano", f"runs_dir={copy.parent}", f"only={stage}", *keep)
    last = read(copy / stage / "manifest.json")["metrics"]["steps"]
    kept = [int(path.name.split("-")[1]) for path in (copy / stage / "trainer").glob("checkpoint-*")]
    assert max(kept) == last - 1


def test_rerun_makes_the_same_bytes_and_costs_nothing_downstream(copy):
    coldstart("run", "scale=nano", f"runs_dir={copy.parent}", "rerun=cold_start")
    status = {stage["name"]: stage["status"] for stage in read(copy / "ledger.json")["stages"]}
    assert {name for name, state in status.items() if state == "done"} == {"cold_start"}


def test_an_altered_artifact_is_refused(copy):
    weights = copy / "fusion" / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    done = subprocess.run(
        command("run", "scale=nano", f"runs_dir={copy.parent}"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "model.safetensors was altered" in done.stderr
    assert "rerun=fusion" in done.stderr


def test_a_second_student_is_yaml_alone(copy):
    examples = ["--config-dir", str(ROOT / "docs" / "examples"), "experiment=second_student"]
    coldstart("run", *examples, "scale=nano", f"runs_dir={copy.parent}", "stages.student_small.max_steps=300")
    status = stage_status(copy)
    made = {name for name, state in status.items() if state == "done"}
    small = ("student_small", "distill_small_offline", "distill_small")
    assert made == {*small, *(f"{name}_eval" for name in small)}
    metrics = {stage["name"]: stage["metrics"] for stage in read(copy / "ledger.json")["stages"]}
    assert metrics["distill_small"]["parameters"] < metrics["distill"]["parameters"]


def test_a_recipe_of_ones_own_starts_from_any_checkpoint(run, tmp_path):
    examples = ["--config-dir", str(ROOT / "docs" / "examples"), "recipe=expert_iteration"]
    easy = ["every.sample.difficulty=[1,3]", "evaluation.difficulty=[1,3]", "evaluation.problems=48"]
    coldstart("run", *examples, *easy, f"model={run / 'cold_start' / 'model'}", f"runs_dir={tmp_path}")
    metrics = {s["name"]: s["metrics"] for s in read(tmp_path / "expert_iteration-tiny" / "ledger.json")["stages"]}
    assert metrics["samples_2"]["rows"] > metrics["samples_1"]["rows"], "more of its own samples are right"
    assert metrics["round_2"]["think"]["accuracy"] > 0.5


def test_r1_zero_learns_without_any_supervised_stage(tmp_path):
    coldstart("run", "recipe=r1_zero", "scale=nano", f"runs_dir={tmp_path}")
    ledger = read(tmp_path / "r1_zero-nano" / "ledger.json")
    assert ledger["recipe"] == "r1_zero"
    stages = {stage["name"]: stage for stage in ledger["stages"]}
    assert {stage["uses"] for stage in stages.values()} == {"pretrain", "select_problems", "grpo", "evaluate"}
    before, after = (stages[name]["metrics"]["think"] for name in ("base", "reasoning_rl"))
    assert after["format"] > before["format"]
    assert stages["reasoning_rl"]["metrics"]["last"]["reward"] > stages["reasoning_rl"]["metrics"]["first"]["reward"]


def test_several_seeds_by_multirun(tmp_path):
    short = ["until=base", "stages.base.max_steps=40", "stages.base.decay_steps=10", "evaluation.problems=12"]
    coldstart("run", "--multirun", "seed=1,2", "scale=nano", f"runs_dir={tmp_path}", *short)
    first, second = (read(tmp_path / f"qwen3-nano-s{seed}" / "base" / "manifest.json") for seed in (1, 2))
    assert first["content"] != second["content"]
    assert read(tmp_path / "qwen3-nano-s2" / "ledger.json")["seed"] == 2


def test_debug_runs_every_stage_in_a_folder_of_its_own(copy):
    """The base is the finished run's, as a preset's few steps would teach it nothing."""
    shutil.copytree(copy, copy.parent / "qwen3-nano-debug")
    coldstart("run", "scale=nano", "debug=short", f"runs_dir={copy.parent}")
    folder = copy.parent / "qwen3-nano-debug"
    status = stage_status(folder)
    assert status["base"] == "cached"
    assert status["reasoning_rl"] == status["distill_eval"] == "done"
    assert read(folder / "reasoning_rl" / "manifest.json")["metrics"]["steps"] == 3
    assert (folder / "report.md").is_file()


def test_budget_of_a_checkpoint_on_a_file(run, tmp_path):
    from pipeline.problems import make_family

    problems = make_family("walk").sample(20, "test", (1, 3), seed=3)
    path, out = tmp_path / "problems.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps({"question": p.question, "answer": p.answer}) + "\n" for p in problems))
    said = coldstart("budget", f"model={run / 'fusion' / 'model'}", f"problems={path}", "budgets=[0,4,8]", f"out={out}")
    assert "unlimited" in said
    figures = read(out / "budget.json")
    assert {"model", "problems", "n", "k", "points", "smallest_sufficient_budget", "area"} == set(figures)
    assert (figures["n"], figures["k"]) == (20, 1)
    assert [point["budget"] for point in figures["points"]] == ["no_think", 0, 4, 8, "unlimited"]
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == 20 * 5
    for point in figures["points"]:
        right = [row["correct"] for row in rows if row["budget"] == point["budget"]]
        assert sum(right) / len(right) == pytest.approx(point["accuracy"])
    assert all(
        "time is up" in row["completion"] or "时间到" in row["completion"]
        for row in rows
        if row["budget"] == 4 and row["cut"]
    )
    assert (out / "budget.png").stat().st_size > 1000
    page = (out / "budget.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert f"{100 * figures['points'][-1]['accuracy']:.1f}" in page
    assert "smallest" in (out / "budget.md").read_text() or "No budget" in (out / "budget.md").read_text()


def test_budget_of_a_whole_run(run, tmp_path):
    coldstart("budget", f"model={run}", "n=12", "budgets=auto", f"out={tmp_path / 'out'}")
    made = {path.parent.name for path in (tmp_path / "out").glob("*/budget.json")}
    assert {"cold_start", "fusion", "general_rl", "distill"} <= made
    assert "base" not in made, "it thinks in no block"
    assert (tmp_path / "out" / "budget.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "model is not set"),
        (["model=nowhere/at_all"], "cannot load"),
        (["model=x", "budgets=[-1]"], "neither auto nor a list"),
        (["model=x", "bugets=[1]"], "did you mean 'budgets'"),
        (["model=x", "problems=nothing.jsonl"], "problem file nothing.jsonl does not exist"),
    ],
)
def test_mistakes_of_budget(arguments, said):
    done = subprocess.run(
        command("budget", *arguments), cwd=ROOT, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr


def test_the_table_of_seeds_reads_a_run(run):
    """``scripts/seeds.py`` on what a run writes: every sign has a figure."""
    spec = importlib.util.spec_from_file_location("seeds", ROOT / "scripts" / "seeds.py")
    seeds = importlib.util.module_from_spec(spec)
    sys.modules["seeds"] = seeds
    spec.loader.exec_module(seeds)
    text = seeds.table([0], [seeds.SeedRun(run)])
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    for name, _, bound in seeds.SIGNS:
        if str(seeds.BEYOND_COLD_START) not in name:  # nano has no problems as long as that
            assert "±" in rows[f"{name} > {bound:g}"], name
    think = read(run / "ledger.json")["stages"]
    accuracy = next(stage["metrics"]["think"]["accuracy"] for stage in think if stage["name"] == "fusion")
    assert f"{accuracy:.3f} ±" in rows["fusion, think"]
