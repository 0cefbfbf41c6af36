"""Advantage and loss of each preset, as TRL computes them, against the papers' equations on small tensors."""

import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig

from pipeline.errors import ColdstartError
from pipeline.runner.mechanism import load_mechanism
from pipeline.runner.request import Request
from pipeline.runner.settings import validate
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.arguments import trainer_arguments
from pipeline.training.grpo import RolloutGRPOTrainer
from stages.grpo import Settings

GROUP, LONGEST = 4, 6
LENGTHS = [2, 6, 3, 5, 1, 4, 6, 2]
REWARDS = [1.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]


def make_trainer(name, model, tokenizer, tmp_path, **overrides):
    """A trainer whose rollouts and rewards are given: two groups of four."""
    settings = Settings(batch_size=2 * GROUP, num_generations=GROUP, trl=overrides)
    request = Request("rl", "grpo", {}, {}, str(tmp_path), seed=0, threads=1, fingerprint="")

    def rollouts(prompts, trainer):
        ids = [[30 + index] * (length - 1) + [tokenizer.eos_token_id] for index, length in enumerate(LENGTHS)]
        return {"prompt_ids": [[20, 21]] * len(prompts), "completion_ids": ids, "logprobs": None}

    return RolloutGRPOTrainer(
        model=model,
        reward_funcs=[lambda completions, **_: REWARDS],
        args=trainer_arguments(
            GRPOConfig,
            settings,
            request,
            max_steps=1,
            num_generations=GROUP,
            max_completion_length=LONGEST,
            temperature=1.0,
            **ALGORITHMS[name],
        ),
        train_dataset=Dataset.from_list([{"prompt": "a"}, {"prompt": "b"}]),
        processing_class=tokenizer,
        rollout_func=rollouts,
    )


def scored(trainer):
    trainer.model.train()
    return trainer._generate_and_score_completions([{"prompt": text} for text in "aaaabbbb"])


def expected_advantages(name):
    rewards = torch.tensor(REWARDS).view(-1, GROUP)
    centred = rewards - rewards.mean(1, keepdim=True)
    if name != "dr_grpo":
        centred = centred / (rewards.std(1, keepdim=True) + 1e-4)
    return centred.flatten()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_advantages(name, model, tokenizer, tmp_path):
    output = scored(make_trainer(name, model, tokenizer, tmp_path))
    assert torch.allclose(output["advantages"], expected_advantages(name), atol=1e-5)
    assert output["completion_mask"].sum(1).tolist() == LENGTHS
    assert torch.equal(output["advantages"][GROUP:], torch.zeros(GROUP)), "a group that agrees teaches nothing"


def clipped(ratio, advantage, low, high):
    return torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def expected_loss(name, logps, old, mask, advantage, kl_weight=0.0, ref=None):
    """The objectives of pipeline.training.algorithms, negated. All (B, T), advantage (B,)."""
    lengths, advantage = mask.sum(1), advantage[:, None]
    ratio = (logps - old).exp()
    if name == "gspo":
        sequence = (((logps - old) * mask).sum(1) / lengths).exp()[:, None]
        return -clipped(sequence, advantage, 3e-4, 4e-4).mean()
    terms = clipped(ratio, advantage, 0.2, 0.28 if name == "dapo" else 0.2)
    if kl_weight:
        terms = terms - kl_weight * ((ref - logps).exp() - (ref - logps) - 1)
    total = (terms * mask).sum(1)
    if name == "grpo":
        return -(total / lengths).mean()
    if name == "dr_grpo":
        return -total.sum() / (len(total) * LONGEST)
    return -total.sum() / lengths.sum()


def token_logps(model, inputs):
    """(B, T) log-probabilities of the completions."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    width = inputs["completion_ids"].shape[1]
    logits = model(input_ids=ids, attention_mask=mask).logits[:, -width - 1 : -1]
    return logits.log_softmax(-1).gather(2, inputs["completion_ids"][..., None]).squeeze(-1)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_loss(name, drift, model, tokenizer, tmp_path):
    """``drift``: how far the policy has moved since the rollouts; large enough here that every clip acts."""
    trainer = make_trainer(name, model, tokenizer, tmp_path)
    inputs = scored(trainer)
    trainer.current_gradient_accumulation_steps = 1
    mask = inputs["completion_mask"].float()
    with torch.no_grad():
        logps = token_logps(trainer.model, inputs)
        torch.manual_seed(0)
        old = logps + drift * torch.randn_like(logps)
        inputs["old_per_token_logps"] = old
        advantage = inputs["advantages"] = torch.linspace(-1.0, 2.0, len(LENGTHS))
        loss = trainer._compute_loss(trainer.model, inputs)
    assert loss.item() == pytest.approx(expected_loss(name, logps, old, mask, advantage).item(), abs=1e-5)
    if drift:
        others = {
            other: expected_loss(other, logps, old, mask, advantage).item() for other in ALGORITHMS if other != name
        }
        assert all(abs(loss.item() - value) > 1e-3 for value in others.values()), "the presets are told apart"


@pytest.mark.parametrize("name", ["grpo", "dr_grpo"])
def test_the_kl_is_the_k3_estimator_in_the_loss(name, model, tokenizer, tmp_path):
    trainer = make_trainer(name, model, tokenizer, tmp_path)
    inputs = scored(trainer)
    trainer.current_gradient_accumulation_steps, trainer.beta = 1, 0.1
    mask = inputs["completion_mask"].float()
    with torch.no_grad():
        logps = token_logps(trainer.model, inputs)
        torch.manual_seed(1)
        old, ref = (logps + 0.3 * torch.randn_like(logps) for _ in range(2))
        inputs |= {"old_per_token_logps": old, "ref_per_token_logps": ref}
        advantage = inputs["advantages"]
        loss = trainer._compute_loss(trainer.model, inputs)
    assert loss.item() == pytest.approx(expected_loss(name, logps, old, mask, advantage, 0.1, ref).item(), abs=1e-5)


def test_the_two_biases_of_grpo_that_dr_grpo_drops():
    """Lectures: 1/std over-weights prompts that are nearly always or never solved, 1/|o| makes wrong answers long."""
    rare = torch.tensor([1.0] + [0.0] * 15)
    even = torch.tensor([1.0] * 8 + [0.0] * 8)
    raw = [(group - group.mean()).abs().sum() for group in (rare, even)]
    scaled = [total / group.std() for total, group in zip(raw, (rare, even), strict=True)]
    assert scaled[0] / scaled[1] > raw[0] / raw[1]
    short, long = torch.tensor([[1.0, 0, 0, 0]]), torch.ones(1, 4)
    wrong = torch.tensor([-1.0])
    zeros = torch.zeros(1, 4)
    per_token = [expected_loss("grpo", zeros, zeros, mask, wrong) / mask.sum() for mask in (short, long)]
    assert per_token[0] > per_token[1], "a long wrong answer is punished less for each token"


def test_a_recipes_own_setting_wins_over_the_preset(model, tokenizer, tmp_path):
    trainer = make_trainer("dapo", model, tokenizer, tmp_path, epsilon_high=0.5)
    assert (trainer.loss_type, trainer.epsilon_low, trainer.epsilon_high) == ("dapo", 0.2, 0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "gropo"}, "did you mean 'grpo'"),
        ({"batch_size": 10, "num_generations": 4}, "whole groups"),
        ({"temperature": 0}, "above 0"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(ColdstartError, match=message):
        validate("rl", load_mechanism("grpo", "rl"), settings)
