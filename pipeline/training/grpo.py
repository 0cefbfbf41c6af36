"""GRPO through TRL's ``GRPOTrainer``: our prompts, rollouts and rewards; advantage and loss are TRL's."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from trl import GRPOTrainer

from pipeline.chat.encode import encode_text, prefill_of
from pipeline.chat.parse import parse_completion
from pipeline.generation.budget import ThinkTokens, think_tokens
from pipeline.generation.loop import generate
from pipeline.generation.sampling import Sampling
from pipeline.problems.prompts import Prompt
from pipeline.rewards.compose import Component, Composition
from pipeline.seeds import derive_seed

SAMPLES_KEPT = 24


class RolloutGRPOTrainer(GRPOTrainer):
    """TRL's trainer with the dataset rows of a generation at hand for its ``rollout_func``, and a count of its tokens.

    ``rollout_func`` gets prompts alone, so the rows are kept here on the way in (each row's language and place decide
    its stop sentence and its random stream).
    """

    rows: list[dict[str, Any]]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.rows = inputs
        output = super()._generate_and_score_completions(inputs)
        self._count_tokens(output)
        return output

    def _count_tokens(self, output: dict[str, Any]) -> None:
        """Tokens generated, and those that taught nothing, by cause; logged with the step's other metrics."""
        mask, ids = output["completion_mask"], output["completion_ids"]
        if "tool_mask" in output:
            mask = mask * output["tool_mask"]
        lengths = mask.sum(1)  # (B,)
        idle = output["advantages"].view(-1, self.num_generations).abs().amax(1) == 0
        without_variance = idle.repeat_interleave(self.num_generations)
        ended = torch.isin(ids, torch.tensor(self.eos_token_ids, device=ids.device)).any(1)
        counts = {
            "tokens/generated": lengths.sum(),
            "tokens/no_variance": lengths[without_variance].sum(),
            "tokens/truncated": lengths[~ended].sum(),
        }
        for key, count in counts.items():
            self._metrics["train"][key].append(float(self.accelerator.reduce(count, reduction="sum")))


def rollout_function(
    temperature: float,
    max_completion_length: int,
    thinking_budget: int | None,
    stop_sentence: Mapping[str, str],
    seed: int,
) -> Callable[[list[str], Any], dict[str, Any]]:
    """TRL's ``rollout_func``: string prompts in, ids out, forced tokens marked as not the model's (``env_mask``).

    Plain sampling at a temperature: top-p or top-k would make the samples another policy's than the one that learns.
    """
    sampling = Sampling(temperature=temperature)
    think: list[ThinkTokens] = []  # of the trainer's tokenizer, read at the first call

    def rollout(prompts: list[str], trainer: RolloutGRPOTrainer) -> dict[str, Any]:
        tokenizer = trainer.processing_class
        think[:] = think or [think_tokens(tokenizer, stop_sentence)]
        prompt_ids = encode_text(tokenizer, prompts)
        step, first = trainer.state.global_step, trainer.accelerator.process_index * len(prompts)
        rollouts = generate(
            trainer.accelerator.unwrap_model(trainer.model),
            prompt_ids,
            sampling,
            max_completion_length,
            trainer.eos_token_ids,
            seeds=[derive_seed(seed, "rollout", step, first + row) for row in range(len(prompts))],
            thinking_budget=thinking_budget,
            think=think[0],
            languages=[json.loads(row["row"])["problem"]["language"] for row in trainer.rows],
        )
        output: dict[str, Any] = {
            "prompt_ids": prompt_ids,
            "completion_ids": [item.ids for item in rollouts],
            "logprobs": None,
        }
        if thinking_budget is not None:
            output["env_mask"] = [[int(not forced) for forced in item.forced] for item in rollouts]
        return output

    return rollout


def reward_function(
    composition: Composition, component: Component, eos_token_ids: Sequence[int]
) -> Callable[..., list[float | None]]:
    """A TRL reward function for one component, named after it so that TRL logs it by its name."""

    def reward(
        prompts: list[str], completions: list[str], completion_ids: list[list[int]], row: list[str], **_: Any
    ) -> list[float | None]:
        values = []
        for prompt, text, ids, data in zip(prompts, completions, completion_ids, row, strict=True):
            completion = parse_completion(text, bool(ids) and ids[-1] in eos_token_ids, prefill_of(prompt))
            values.append(composition.score(component, completion, Prompt.from_row(json.loads(data))))
        return values

    reward.__name__ = component.name
    return reward


def last_samples(trainer: RolloutGRPOTrainer) -> list[dict[str, Any]]:
    """The last step's completions, spread over its prompts, with what each reward gave."""
    logs = trainer._logs
    rows = [
        {
            "prompt": prompt,
            "completion": completion,
            "advantage": advantage,
            "rewards": {
                name: None if math.isnan(values[index]) else values[index] for name, values in logs["rewards"].items()
            },
        }
        for index, (prompt, completion, advantage) in enumerate(
            zip(logs["prompt"], logs["completion"], logs["advantages"], strict=True)
        )
    ]
    return rows[:: max(1, len(rows) // SAMPLES_KEPT)][:SAMPLES_KEPT]


def curve_metrics(history: list[dict[str, Any]], window: int, composition: Composition) -> dict[str, Any]:
    """What the ledger says of an RL stage: the ends of its curves as means over ``window`` steps, and where its tokens
    went."""
    rows = [row for row in history if "reward" in row]
    keys = {"reward": "reward", "entropy": "entropy", "length": "completions/mean_length"}
    keys |= {f"rewards/{part.name}": f"rewards/{part.name}/mean" for part in composition.components}
    window = max(1, min(window, len(rows) // 2))

    def average(part: list[dict[str, Any]], key: str) -> float | None:
        values = [row[key] for row in part if row.get(key) is not None]
        return sum(values) / len(values) if values else None

    def total(key: str) -> int:
        return int(sum(row.get(key) or 0 for row in rows))

    return {
        "curve_window": window,
        "first": {name: average(rows[:window], key) for name, key in keys.items()},
        "last": {name: average(rows[-window:], key) for name, key in keys.items()},
        "tokens_generated": total("tokens/generated"),
        "tokens_wasted": {
            "groups_without_variance": total("tokens/no_variance"),
            "truncated": total("tokens/truncated"),
        },
        "reward_errors": dict(composition.errors),
    }
