"""Tokens per second of our generation loop, of Transformers' ``generate`` and of the barest loop of the same model.

    python scripts/bench_generation.py runs/qwen3-tiny/reasoning_rl

The three take turns in one process, so that a ratio holds on a noisy machine; each ratio is of the medians over rounds.
*even*: walks of eight steps alone; *uneven*: nine of ten walks have one step, the tenth has twelve. Useful tokens are
those of the completions, end token included, padding not. Greedy, so that all three write the same tokens.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import DynamicCache

from pipeline.chat.encode import encode_text, render_prompt
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY
from pipeline.models import open_checkpoint
from pipeline.problems import make_family
from pipeline.problems.prompts import plain_prompt
from pipeline.runner.execute import quiet_engines

MAX_NEW_TOKENS = 60
BATCHES = (32, 128, 512)
Engine = Callable[[PreTrainedModel, PreTrainedTokenizerBase, list[list[int]]], list[list[int]]]


def ours(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> list[list[int]]:
    return [item.ids for item in generate(model, prompts, GREEDY, MAX_NEW_TOKENS, [tokenizer.eos_token_id])]


def left_padded(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, both (B, longest prompt)."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def trimmed(rows: list[list[int]], eos: int) -> list[list[int]]:
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


def transformers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> list[list[int]]:
    ids, mask = left_padded(prompts, tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    return trimmed(out[:, ids.shape[1] :].tolist(), tokenizer.eos_token_id)


def barest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> list[list[int]]:
    """A growing cache, argmax, and nothing else; ends when every row has ended."""
    inputs, mask = left_padded(prompts, tokenizer.pad_token_id, model.device)
    cache, tokens = DynamicCache(config=model.config), []
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with torch.inference_mode():
        for _ in range(MAX_NEW_TOKENS):
            logits = model(
                input_ids=inputs,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits
            chosen = logits[:, -1].argmax(-1)
            tokens.append(chosen)
            ended |= chosen == tokenizer.eos_token_id
            if ended.all():
                break
            inputs, positions = chosen[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)
    return trimmed(torch.stack(tokens, 1).tolist(), tokenizer.eos_token_id)


ENGINES: dict[str, Engine] = {"ours": ours, "generate": transformers, "barest": barest}


def draw(tokenizer: PreTrainedTokenizerBase, lengths: str, count: int) -> list[list[int]]:
    family = make_family("walk", {"walk": {"zero_share": 0.25}})
    if lengths == "even":
        problems = family.sample(count, "test", (8, 8), seed=0)
    else:
        long = max(1, count // 10)
        problems = family.sample(count - long, "all", (1, 1), seed=0) + family.sample(long, "test", (12, 12), seed=0)
    return encode_text(tokenizer, [render_prompt(tokenizer, plain_prompt(problem).messages) for problem in problems])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    quiet_engines()
    torch.set_num_threads(arguments.threads)
    model, tokenizer = open_checkpoint(str(arguments.checkpoint), "checkpoint")
    model.eval()
    if torch.cuda.is_available():
        model.cuda()
    lines = ["| lengths | batch | ours, tokens/s | generate | barest | ours / generate | ours / barest | same tokens |"]
    lines.append("| " + " | ".join(["---"] * 8) + " |")
    for lengths in ("even", "uneven"):
        for batch in BATCHES:
            prompts = draw(tokenizer, lengths, batch)
            written = {name: engine(model, tokenizer, prompts) for name, engine in ENGINES.items()}  # warm
            same = sum(one == other for one, other in zip(written["ours"], written["generate"], strict=True)) / batch
            seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
            for _ in range(arguments.rounds):
                for name, engine in ENGINES.items():
                    start = time.perf_counter()
                    engine(model, tokenizer, prompts)
                    seconds[name].append(time.perf_counter() - start)
            median = {name: statistics.median(values) for name, values in seconds.items()}
            speed = {name: sum(map(len, written[name])) / median[name] for name in ENGINES}
            lines.append(
                f"| {lengths} | {batch} | {speed['ours']:,.0f} | {speed['generate']:,.0f} | {speed['barest']:,.0f} | "
                f"{speed['ours'] / speed['generate']:.2f} | {speed['ours'] / speed['barest']:.2f} | {100 * same:.1f}% |"
            )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
