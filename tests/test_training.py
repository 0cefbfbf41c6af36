import json
import shutil

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerControl, TrainerState

from pipeline.errors import ColdstartError
from pipeline.models import ModelSize, build_model, load_model, save_model
from pipeline.problems import make_family
from pipeline.problems.corpus import CorpusSettings
from pipeline.runner.request import Request
from pipeline.tracking import Tracker
from pipeline.training.callbacks import HoldUntilGate, StopAtReward, passes
from pipeline.training.checkpoints import MarkCheckpoints, is_intact, mark_checkpoint, newest_checkpoint
from pipeline.training.data import contamination
from pipeline.training.distillation import check_vocabularies
from pipeline.training.grpo import curve_metrics, reward_function, rollout_function
from pipeline.training.muon import MuonAdamW
from pipeline.training.pretraining import Curriculum, PackedDocuments, corpus_tokenizer, pack
from pipeline.training.schedules import HoldThenDecay, Rounds
from stages.distill import Settings, run


def test_documents_are_packed_whole_and_apart():
    documents = [[1] * 6, [2] * 5, [3] * 3, [4] * 2, [5] * 9]
    packed = pack(documents, rows=2, width=10, pad=0)
    assert packed["input_ids"].tolist() == [[5] * 9 + [0], [1] * 6 + [3] * 3 + [0]]
    assert packed["position_ids"][1].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 0]
    assert packed["labels"][1].tolist() == [-100, 1, 1, 1, 1, 1, -100, 3, 3, -100]


def test_a_document_sees_nothing_of_its_neighbour(tokenizer, model):
    """Transformers drops the mask between documents without a word when the forward pass has a cache."""
    batch = pack([[5, 6, 7, 8], [9, 10, 11]], rows=1, width=7, pad=0)
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    other = {**inputs, "input_ids": torch.tensor([[15, 16, 17, 18, 9, 10, 11]])}
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits[:, 4:], model(**other).logits[:, 4:])


def test_a_batch_of_the_corpus_is_its_steps_own(tokenizer):
    corpus = PackedDocuments(make_family("walk"), tokenizer, CorpusSettings(), Curriculum(4, 12, 250), (9, 28, 76), 3)
    assert torch.equal(corpus[7]["input_ids"], corpus[7]["input_ids"])
    assert not torch.equal(corpus[7]["input_ids"], corpus[8]["input_ids"])
    assert (corpus[300]["labels"] == -100).float().mean() < 0.15, "little padding"
    assert [corpus.curriculum.hardest(step) for step in (0, 125, 10**6)] == [4, 8, 12]


def test_muon_for_matrices_adamw_for_the_rest(model):
    optimizer = MuonAdamW(model, 0.02, 3e-3, 0.05)
    matrices = {id(p) for group in optimizer.parts[0].param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in matrices) == (parameter.ndim == 2 and "embed" not in name), name


def test_muon_resumes_to_the_same_weights(tokenizer):
    """Saved half-way, with its schedule, through the state dicts that a trainer saves."""

    def new():
        size = ModelSize(num_hidden_layers=1, hidden_size=16, intermediate_size=32, num_attention_heads=2, head_dim=8)
        net = build_model(size, tokenizer, seed=1)
        optimizer = MuonAdamW(net, 0.02, 3e-3, 0.05)
        return net, optimizer, LambdaLR(optimizer, HoldThenDecay(warmup_steps=2, decay_steps=4, decay_from=3))

    def steps(net, optimizer, scheduler, count):
        for _ in range(count):
            net(input_ids=torch.arange(12)[None], labels=torch.arange(12)[None]).loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

    whole = new()
    steps(*whole, 6)
    half = new()
    steps(*half, 3)
    rest = new()
    rest[0].load_state_dict(half[0].state_dict())
    rest[1].load_state_dict(half[1].state_dict())
    rest[2].load_state_dict(half[2].state_dict())
    assert rest[1].param_groups[0]["lr"] == half[1].param_groups[0]["lr"]
    steps(*rest, 3)
    for one, other in zip(whole[0].parameters(), rest[0].parameters(), strict=True):
        assert torch.equal(one, other)


def test_hold_then_decay():
    schedule = HoldThenDecay(warmup_steps=4, decay_steps=10, floor=0.1)
    assert [schedule(step) for step in (0, 3, 500)] == [0.25, 1, 1]
    assert schedule.end is None
    schedule.decay_from = 100
    assert (schedule(100), schedule(105), schedule(110)) == (1, 0.5, 0.1)
    assert schedule.end == 110


def test_rounds_start_again_from_the_top():
    rounds = Rounds([4, 6])
    assert [rounds(step) for step in range(7)] == [1, 0.75, 0.5, 0.25, 1, 0.5, 0]


def checkpoint(folder, step):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "trainer_state.json"):
        (path / name).write_text(name)
    mark_checkpoint(path)
    return path


@pytest.mark.parametrize("damage", ["missing", "truncated", "unmarked", "mark truncated"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    older, newer = checkpoint(tmp_path, 90), checkpoint(tmp_path, 100)
    assert newest_checkpoint(tmp_path) == newer
    if damage == "missing":
        (newer / "optimizer.pt").unlink()
    elif damage == "truncated":
        (newer / "model.safetensors").write_text("mo")
    elif damage == "unmarked":
        (newer / "complete.json").unlink()
    else:
        (newer / "complete.json").write_text('{"model')
    assert not is_intact(newer)
    assert newest_checkpoint(tmp_path) == older
    assert not newer.exists()


@pytest.mark.parametrize("event", ["on_step_end", "on_log"])
def test_where_training_ends_there_is_no_checkpoint(event):
    """One there would be resumed from, and trained on."""
    control = TrainerControl(should_save=True)
    getattr(MarkCheckpoints(), event)(None, TrainerState(), control)
    assert control.should_save
    control.should_training_stop = True
    getattr(MarkCheckpoints(), event)(None, TrainerState(), control)
    assert not control.should_save


def test_no_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path / "nowhere") is None


def test_rl_ends_when_its_rewards_are_reached():
    callback, state = StopAtReward({"accuracy": 0.79}, window=3), TrainerState()
    for accuracy, stops in ((0.9, False), (0.9, False), (0.5, False), (0.9, False), (1.0, True)):
        control = TrainerControl()
        state.log_history.append({"reward": 1.0, "rewards/accuracy/mean": accuracy})
        callback.on_log(None, state, control)
        assert control.should_training_stop == stops


def test_a_start_that_does_not_learn_is_given_up(tmp_path):
    figures = iter([0.1, 0.1, 0.4, 0.1])
    schedule = HoldThenDecay(0, 10)
    watch = HoldUntilGate(
        lambda: {"accuracy": next(figures)}, {"accuracy": 0.7}, 50, schedule, Tracker(tmp_path, "base"), patience=100
    )
    for step, stalled in ((50, False), (100, True), (150, False), (200, True)):
        control = TrainerControl()
        watch.on_step_end(None, TrainerState(global_step=step, max_steps=1000), control)
        assert (watch.stalled, control.should_training_stop) == (stalled, stalled)
    assert schedule.decay_from is None


def test_pretraining_begins_anew_and_goes_on_with_the_attempt_it_was_at(tmp_path):
    """No model this small passes its gate: each attempt is given up but the last, which runs to its cap."""
    from stages import pretrain

    def run(folder, attempts):
        folder.mkdir(exist_ok=True)
        size = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "head_dim": 4}
        settings = pretrain.Settings(
            model=size, attempts=attempts, patience=2, gate_every=1, gate_problems=8, max_steps=6, decay_steps=2,
            save_steps=1, batch_size=2,
        )  # fmt: skip
        request = Request("base", "pretrain", {}, {}, str(folder), seed=5, threads=1, fingerprint="")
        metrics = pretrain.run(settings, request, Tracker(folder, "base"))
        return metrics, (folder / "model" / "model.safetensors").read_bytes()

    whole, weights = run(tmp_path / "whole", attempts=2)
    assert (whole["attempts"], whole["steps"], whole["capped"]) == (2, 6, True)
    assert run(tmp_path / "first", attempts=1)[1] != weights
    (tmp_path / "half" / "trainer").mkdir(parents=True)
    shutil.copytree(tmp_path / "whole" / "trainer" / "attempt-0", tmp_path / "half" / "trainer" / "attempt-0")
    (tmp_path / "half" / "trainer" / "attempt-1").mkdir()
    assert run(tmp_path / "half", attempts=2)[1] == weights


def test_thresholds_name_what_is_measured():
    assert passes({"a": 0.5}, {"a": 0.5})
    assert not passes({"a": 0.5}, {"a": 0.6})
    with pytest.raises(ColdstartError, match="'b'"):
        passes({"a": 0.5}, {"b": 0.5})


def test_tokenizers_of_one_size_with_other_ids_are_refused(tokenizer):
    other = corpus_tokenizer(make_family("walk"), CorpusSettings(), 12, vocab_size=400, seed=9)
    check_vocabularies(tokenizer, tokenizer, "distill")
    with pytest.raises(ColdstartError, match="different vocabularies"):
        check_vocabularies(tokenizer, other, "distill")


def request(tmp_path, stage, settings, **inputs):
    (tmp_path / stage).mkdir(exist_ok=True)
    folders = {name: str(folder) for name, folder in inputs.items()}
    return Request(stage, stage, settings, folders, str(tmp_path / stage), seed=5, threads=1, fingerprint="")


def test_student_and_teacher_must_share_a_vocabulary(tmp_path, tokenizer, model):
    other = corpus_tokenizer(make_family("walk"), CorpusSettings(), 12, vocab_size=400, seed=9)
    save_model(model, tokenizer, tmp_path / "teacher", "teacher")
    save_model(build_model(ModelSize(num_hidden_layers=1), other, 0), other, tmp_path / "student", "student")
    asked = request(tmp_path, "distill", {}, student=tmp_path / "student", teacher=tmp_path / "teacher")
    with pytest.raises(ColdstartError, match="tokenizer"):
        run(Settings(), asked, Tracker(asked.folder, "distill"))


class RolloutTrainer:
    """What TRL's trainer shows a ``rollout_func``."""

    def __init__(self, model, tokenizer, prompts):
        self.model, self.processing_class, self.eos_token_ids = model, tokenizer, [tokenizer.eos_token_id]
        self.rows = [{"row": json.dumps(prompt.as_row())} for prompt in prompts]
        self.state = TrainerState(global_step=3)
        self.accelerator = self
        self.process_index = 0

    def unwrap_model(self, model):
        return model


def test_forced_tokens_of_a_rollout_stay_out_of_the_loss(model, tokenizer, prompts):
    from pipeline.chat.encode import render_prompt

    rollout = rollout_function(1.0, 30, 2, {"en": "time is up", "zh": "时间到"}, seed=5)
    texts = [render_prompt(tokenizer, prompt.messages) + "<think>" for prompt in prompts]
    output = rollout(texts, RolloutTrainer(model, tokenizer, prompts))
    assert any(0 in mask for mask in output["env_mask"])
    for ids, mask in zip(output["completion_ids"], output["env_mask"], strict=True):
        assert len(ids) == len(mask)
        if 0 in mask:
            forced = tokenizer.decode([i for i, own in zip(ids, mask, strict=True) if not own])
            assert forced in ("\ntime is up\n</think>\n\n", "\n时间到\n</think>\n\n")
    again = rollout(texts, RolloutTrainer(model, tokenizer, prompts))
    assert again["completion_ids"] == output["completion_ids"], "the step and the row decide"


def test_a_reward_function_tells_an_ended_completion(prompts):
    from pipeline.chat.parse import render_completion
    from pipeline.rewards.compose import compose

    composition = compose({"format": {}}, "rewards")
    reward = reward_function(composition, composition.components[0], eos_token_ids=[2])
    text = render_completion("then", f"\\boxed{{{prompts[0].problem.answer}}}")
    row = json.dumps(prompts[0].as_row())
    values = reward(prompts=["p", "p"], completions=[text, text], completion_ids=[[5, 2], [5, 6]], row=[row, row])
    assert (reward.__name__, values) == ("format", [1, 0])


def test_contamination_counts_what_is_not_of_the_training_split(rng):
    family = make_family("walk")
    rows = [{"problem": family.draw(rng, split, (2, 5)).as_row()} for split in ("train", "test", "validation", "train")]
    assert contamination(rows) == 2


def test_the_ends_of_a_curve():
    from pipeline.rewards.compose import compose

    history = [
        {"step": s, "reward": s, "rewards/format/mean": s / 10, "tokens/generated": 5, "tokens/truncated": 1}
        for s in range(1, 9)
    ]
    metrics = curve_metrics(history, 2, compose({"format": {}}, "r"))
    assert metrics["first"]["reward"] == 1.5
    assert metrics["last"]["rewards/format"] == pytest.approx(0.75)
    assert metrics["tokens_generated"] == 40
    assert metrics["tokens_wasted"] == {"groups_without_variance": 0, "truncated": 8}


def test_a_saved_model_has_no_trace_of_where_it_was_made(tmp_path, model, tokenizer):
    save_model(model, tokenizer, tmp_path / "a", "stage", {"steps": 3})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for source, target in (("a", "c"), ("b", "d")):
        save_model(*load_model(tmp_path / source), tmp_path / target, "stage", {"steps": 3})
    for path in sorted((tmp_path / "c" / "model").iterdir()):
        assert path.read_bytes() == (tmp_path / "d" / "model" / path.name).read_bytes(), path.name
    assert "| steps | 3 |" in (tmp_path / "a" / "model" / "README.md").read_text()


def test_tracker_rewinds_to_a_checkpoint(tmp_path):
    tracker = Tracker(tmp_path, "stage")
    for step in (1, 2, 3):
        tracker.log(step, {"loss": float("nan") if step == 2 else 1.0, "name": "text"})
    tracker.rewind(2)
    assert tracker.history() == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": None}]
