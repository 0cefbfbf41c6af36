"""The command as people use it: in a process of its own where that matters, composed in this one where not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pipeline.errors import ColdstartError
from pipeline.runner.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
STAGES = [
    "base", "base_eval", "cold_start_data", "cold_start", "cold_start_eval", "rl_problems", "reasoning_rl",
    "reasoning_rl_eval", "fusion_data", "fusion", "fusion_eval", "general_rl", "general_rl_eval", "student",
    "student_eval", "teacher_samples", "distill_offline", "distill_offline_eval", "distill", "distill_eval",
]  # fmt: skip
QUICK = ["only=cold_start_data", "scale=nano"]


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def coldstart(tmp_path):
    """``coldstart(*arguments)``: the finished process, its runs under ``tmp_path``."""
    return lambda *arguments: python("-m", "pipeline", *arguments, f"runs_dir={tmp_path}")


def refused(process):
    """What a refused command says: on standard error, for people."""
    assert process.returncode > 0
    assert "Traceback" not in process.stdout + process.stderr
    return process.stderr


def title(process):
    """The run folder that a plan names, however a long one was wrapped."""
    assert process.returncode == 0, process.stderr
    text = "".join(process.stdout.split("uses")[0].split())
    return text.removeprefix("planof").removesuffix("stage")


# Plan


def test_plan_lists_every_stage_and_makes_nothing(coldstart, tmp_path):
    process = coldstart("plan")
    assert process.returncode == 0, process.stderr
    rows = [line.split()[0] for line in process.stdout.splitlines() if "not made yet" in line]
    assert rows == STAGES
    assert process.stdout.splitlines()[-1] == f"{len(STAGES)} runs"
    assert process.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_plan_imports_no_engine(tmp_path):
    program = (
        "import sys; sys.argv = ['coldstart', 'plan', sys.argv[1]]\n"
        "import pipeline.cli; pipeline.cli.main()\n"
        "print('engines:', sorted({'torch', 'transformers', 'trl', 'datasets', 'wandb'} & set(sys.modules)))"
    )
    process = python("-c", program, f"runs_dir={tmp_path}")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == "engines: []"


def test_a_seed_names_the_run_folder(coldstart, tmp_path):
    assert title(coldstart("plan", "seed=7")) == f"{tmp_path}/qwen3-tiny-s7"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plna"], "did you mean 'plan'"),
        (["plan", "only=fusoin"], "no stage 'fusoin' in this recipe; did you mean 'fusion'"),
        (["run", "only=[base,fusoin]"], "did you mean 'fusion'"),
        (["plan", "stages.fusion.learnin_rate=1"], "learnin_rate: no such setting; did you mean 'learning_rate'"),
        (["run", "stages.fussion.learning_rate=1"], "fussion: no such stage in this recipe; did you mean 'fusion'"),
        (["plan", "recipe=qwn3"], "no such file in conf/recipe; did you mean 'qwen3'"),
        (["plan", "scale=nan"], "no such file in conf/scale; did you mean 'nano'"),
        (["plan", "only=base", "until=fusion"], "give one of them"),
        (["plan", "+sedd=1"], "sedd: no such setting at the root; did you mean 'seed'"),
        (["plan", "sedd=1"], "did you mean 'seed'"),
        (["run", "seed=seven"], "seed: 'seven' is not a whole number"),
        (["run", "only=cold_start"], "'cold_start' reads 'base', which is not made yet; run that first (until=base)"),
        (["run", *QUICK, "wandb.mode=on"], "wandb.mode: 'on' is none of disabled, offline, online"),
        (["plan", "only=[base"], "[base"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_answered_with_the_nearest_valid_word(coldstart, arguments, said):
    assert said in refused(coldstart(*arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "coldstart VERB [overrides]"),
        (["budget", "--help"], "Accuracy against the thinking budget"),
        (["report", "--help"], "coldstart report RUN"),
        (["chat", "-h"], "coldstart chat CHECKPOINT"),
    ],
)
def test_every_verb_has_help(arguments, said):
    done = python("-m", "pipeline", *arguments)
    assert done.returncode == 0
    assert said in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report"], "which run?"),
        (["report", "nowhere"], "has no ledger.json"),
        (["report", "nowhere", "ot=x"], "did you mean 'out'"),
        (["chat"], "which checkpoint?"),
        (["chat", "nobody/nothing"], "cannot load"),
        (["reprot"], "did you mean 'report'"),
    ],
)
def test_mistakes_of_the_other_verbs(arguments, said):
    done = python("-m", "pipeline", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_refused_run_leaves_no_stage_behind(coldstart, tmp_path):
    refused(coldstart("run", "only=cold_start"))
    assert not (tmp_path / "qwen3-tiny" / "cold_start").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages=x", "stages"),
        ("stages.fusion=3", "stages.fusion"),
        ("stages.fusion.gate=3", "stages.fusion.gate"),
        ("stages.fusion.inputs=base", "stages.fusion.inputs"),
        ("stages.fusion_data_eval.k=3", "stages.fusion_data_eval"),
        ("evaluation=x", "evaluation"),
        ("until=[fusion,base]", "until"),
        ("threads=0", "threads"),
        ("threads=true", "threads"),
        ("verify=maybe", "verify"),
        ("seed=1.5", "seed"),
        ("seed=true", "seed"),
        ("name=a/b", "name"),
        ("name=..", "name"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_setting(compose, override, said):
    with pytest.raises(ColdstartError, match=rf"^{said}\b"):
        compose(override)


# Settings

PRESETS = [
    f"{folder.name}={path.stem}" for folder in (CONF / "experiment", CONF / "debug") for path in folder.glob("*.yaml")
]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_composes(compose, preset):
    assert "distill_eval" in compose(preset).graph.stages


@pytest.mark.parametrize("family", ["addition", "sorting", "counting"])
def test_an_experiment_is_about_its_family_in_every_stage(compose, family):
    config = compose(f"experiment={family}")
    asked = [stage.settings["family"] for stage in config.graph if "family" in stage.settings]
    gates = [stage.settings["gate"]["family"] for stage in config.graph if stage.uses == "sft"]
    assert {*asked, *gates} == {family}


def test_the_debug_preset_has_a_run_folder_of_its_own(compose):
    config = compose("debug=short")
    assert config.folder.name == "qwen3-tiny-debug"
    assert config.graph["general_rl"].settings["max_steps"] == 3
    assert compose("debug=short", "name=mine").folder.name == "mine"


def test_a_problem_file_counts_by_its_content(compose, tmp_path):
    path = tmp_path / "problems.jsonl"
    settings = ["evaluation.family=table", f"evaluation.family_options.table.path={path}"]

    def mark():
        return fingerprint(compose(*settings).graph["base_eval"], {"model": "x"})

    path.write_text('{"question": "1+1?", "answer": "2"}')
    before = mark()
    assert mark() == before
    path.write_text('{"question": "1+2?", "answer": "3"}')
    assert mark() != before
    before = mark()
    path.rename(tmp_path / "moved.jsonl")
    assert mark() != before, "a file that is gone is no file of old"


def test_the_default_is_qwen3_at_tiny_scale(compose):
    config = compose()
    assert (config.recipe, config.scale, config.seed, config.folder) == ("qwen3", "tiny", 0, Path("runs/qwen3-tiny"))
    assert list(config.graph.stages) == STAGES
    assert list(config.composed["stages"]) == STAGES


def test_names_of_the_run_folder(compose):
    assert compose("seed=7").folder == Path("runs/qwen3-tiny-s7")
    assert compose("seed=0").folder == Path("runs/qwen3-tiny-s0")
    assert compose("seed=7", "name=mine", "runs_dir=there").folder == Path("there/mine")
    assert compose("scale=nano").folder == Path("runs/qwen3-nano")
    assert compose("seed=7").graph["base"].seed != compose("seed=8").graph["base"].seed
    assert compose("seed=0").graph["base"].seed == compose().graph["base"].seed


def test_a_setting_counts_listed_in_yaml_or_not(compose):
    config = compose("stages.fusion.weight_decay=0.1", "stages.fusion.adam_beta1=0.8", "stages.fusion.batch_size=8")
    settings = config.graph["fusion"].settings
    assert (settings["weight_decay"], settings["batch_size"], settings["trl"]) == (0.1, 8, {"adam_beta1": 0.8})
    assert config.composed["stages"]["fusion"]["weight_decay"] == 0.1
    assert compose().graph["fusion"].settings["weight_decay"] == 0.0
    assert config.graph["cold_start"] == compose().graph["cold_start"]


def test_later_groups_win(compose):
    """tuning over recipe, the command line over tuning; scale by interpolation."""
    tiny, nano = compose().graph, compose("scale=nano", "scale.max_new_tokens=33").graph
    assert tiny["fusion_eval"].settings["modes"] == ["think", "no_think"]
    assert tiny["base_eval"].settings["k"] != tiny["fusion_eval"].settings["k"], "tuning is over the recipe"
    assert tiny["cold_start_data"].settings != nano["cold_start_data"].settings
    assert nano["fusion_eval"].settings["max_new_tokens"] == nano["fusion_data"].settings["max_new_tokens"] == 33
    assert compose("stages.base_eval.k=3").graph["base_eval"].settings["k"] == 3
    assert compose("evaluation.k=7").graph["fusion_eval"].settings["k"] == 7


def test_selections_are_one_name_or_several(compose):
    assert compose("only=fusion").selection.only == ("fusion",)
    assert compose("only=[fusion,base]", "rerun=base").selection.only == ("fusion", "base")
    assert compose("rerun=base", "until=fusion").selection.rerun == ("base",)


def test_secrets_are_left_out_of_what_is_written_down(compose):
    written = OmegaConf.to_yaml(compose("+wandb.api_key=sesame", "+wandb.extra={auth_token: sesame}").composed)
    assert "sesame" not in written
    assert "api_key" in written


def test_what_only_sounds_like_a_secret_is_written_down(compose):
    stages = compose().composed["stages"]
    assert stages["student"]["inputs"] == {"tokenizer": "base"}
    assert isinstance(stages["fusion_eval"]["max_new_tokens"], int)


def test_cfg_job_prints_what_is_composed(coldstart):
    process = coldstart("run", "--cfg", "job", "stages.fusion.weight_decay=0.1")
    assert process.returncode == 0, process.stderr
    printed = OmegaConf.create(process.stdout)
    assert printed.stages.fusion.uses == "sft"
    assert printed.stages.fusion.weight_decay == 0.1


def test_help_names_the_verbs(coldstart):
    process = coldstart("--help")
    assert process.returncode == 0, process.stderr
    words = [line.split()[0] for line in process.stdout.splitlines() if line.startswith("  ")]
    assert {"run", "plan", "stages.<name>.<key>=value"} <= set(words)
    assert "recipe: qwen3" in process.stdout


# Run


def test_run_makes_the_run_folder_and_then_has_nothing_to_do(coldstart, tmp_path):
    first = coldstart("run", *QUICK, "stages.cold_start_data.rows=48")
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "qwen3-nano"
    composed = OmegaConf.load(folder / "config.yaml")
    assert composed.stages.cold_start_data.rows == 48
    assert composed.stages.cold_start_data.family == "walk"
    ledger = json.loads((folder / "ledger.json").read_text())
    assert (ledger["recipe"], ledger["scale"]) == ("qwen3", "nano")
    assert {entry["name"]: entry["status"] for entry in ledger["stages"]} == {
        **dict.fromkeys(STAGES, "pending"), "cold_start_data": "done",
    }  # fmt: skip
    assert "cold_start_data" in (folder / "report.md").read_text()
    assert "cold_start_data" in (folder / "report.html").read_text()
    assert "stage cold_start_data (write_thoughts)" in (folder / "log.txt").read_text()
    manifest = (folder / "cold_start_data" / "manifest.json").read_bytes()
    assert json.loads(manifest)["settings"]["rows"] == 48
    assert len((folder / "cold_start_data" / "data" / "train.jsonl").read_text().splitlines()) == 48
    assert "1 stage ran" in first.stdout

    again = coldstart(*QUICK, "stages.cold_start_data.rows=48")  # run is the verb when none is given
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("nothing to do")
    assert (folder / "cold_start_data" / "manifest.json").read_bytes() == manifest

    plan = coldstart("plan", "scale=nano", "stages.cold_start_data.rows=50")
    row = next(line for line in plan.stdout.splitlines() if line.startswith("cold_start_data"))
    assert "runs" in row
    assert "rows: 48 -> 50" in row


def test_multirun_makes_a_folder_for_each_seed(coldstart, tmp_path):
    process = coldstart("--multirun", "seed=1,2", *QUICK)
    assert process.returncode == 0, process.stderr
    folders = [tmp_path / f"qwen3-nano-s{seed}" for seed in (1, 2)]
    rows = [(folder / "cold_start_data" / "data" / "train.jsonl").read_text() for folder in folders]
    assert rows[0] != rows[1]
    assert [json.loads((folder / "ledger.json").read_text())["seed"] for folder in folders] == [1, 2]


def test_a_scale_that_loads_its_base_is_yaml_alone(coldstart, tmp_path, tokenizer, model):
    """The recipe as it is, with two files of somebody's own: a scale, and a tuning that says `load` for `pretrain`."""
    from pipeline.models import save_model

    save_model(model, tokenizer, tmp_path / "source", "source")
    for group, name, text in (
        ("scale", "mine", (ROOT / "conf" / "scale" / "nano.yaml").read_text()),
        (
            "tuning",
            "qwen3_mine",
            "# @package _global_\nstages:\n  base: {uses: load, model: '${model}'}\n  student: null\n",
        ),
    ):
        (tmp_path / "conf" / group).mkdir(parents=True)
        (tmp_path / "conf" / group / f"{name}.yaml").write_text(text)
    done = coldstart(
        "run",
        f"hydra.searchpath=[file://{tmp_path / 'conf'}]",
        "scale=mine",
        f"model={tmp_path / 'source' / 'model'}",
        "until=base",
        "stages.distill_offline=null",
        "stages.distill=null",
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "qwen3-mine" / "base" / "manifest.json").read_text())
    assert (manifest["uses"], manifest["metrics"]["tokens_added"]) == ("load", 0)


def test_a_root_word_that_nothing_reads_is_refused(coldstart):
    assert "model: nothing of recipe 'qwen3'" in refused(coldstart("plan", "model=somewhere"))


@pytest.mark.parametrize("scale", ["tiny", "nano"])
def test_no_group_of_settings_is_an_interpolation(composed, scale):
    """Setting one key of it on the command line would silently replace the whole group."""
    cfg = composed(f"scale={scale}")

    def groups(node, path):
        for key in node:
            where = f"{path}.{key}"
            if OmegaConf.is_interpolation(node, key):
                yield where, node[key]
            elif OmegaConf.is_dict(node[key]):
                yield from groups(node[key], where)

    found = [*groups(cfg.stages, "stages"), *groups(cfg.evaluation, "evaluation")]
    assert found
    assert not [where for where, value in found if OmegaConf.is_dict(value)]


def test_one_key_of_a_group_leaves_the_others(compose):
    config = compose("stages.fusion_eval.k=2", "stages.general_rl.rewards.mode.weight=3")
    evaluation, rl = config.graph["fusion_eval"].settings, config.graph["general_rl"].settings
    assert (evaluation["k"], evaluation["modes"], evaluation["flags"]) == (2, ["think", "no_think"], True)
    assert rl["rewards"]["mode"] == {"weight": 3}
    assert rl["rewards"]["accuracy"] == {"weight": 2, "gate": ["format", "mode"]}
