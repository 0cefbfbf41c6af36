"""What a sweep of six budgets costs, against one evaluation without a limit of the same problems.

    python scripts/bench_budget.py runs/qwen3-tiny/general_rl

Both take turns in one process; the ratio is of the medians over rounds. The sweep thinks once, cuts the same thoughts
at each budget, and answers anew from there; the evaluation is its first part.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

from pipeline.commands.budget import measured_with
from pipeline.evaluation.budget_curve import answer_within
from pipeline.generation.complete import Completer
from pipeline.generation.sampling import GREEDY
from pipeline.models import open_checkpoint
from pipeline.problems import make_family
from pipeline.problems.prompts import plain_prompt
from pipeline.runner.execute import quiet_engines

BUDGETS = (0, 6, 12, 18, 24, 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=504)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    quiet_engines()
    torch.set_num_threads(arguments.threads)
    own = measured_with(arguments.checkpoint)
    model, tokenizer = open_checkpoint(str(arguments.checkpoint), "checkpoint")
    completer = Completer(model.eval(), tokenizer, own["max_new_tokens"], own["stop_sentence"])
    family = make_family(own["family"], own["family_options"])
    low, high = own["difficulty"]
    prompts = [plain_prompt(problem) for problem in family.sample(arguments.problems, "test", (low, high), 0)]
    seconds: dict[str, list[float]] = {"unlimited": [], "sweep": []}
    for _ in range(arguments.rounds + 1):
        start = time.perf_counter()
        free = completer.complete(prompts, GREEDY, seed=0)
        middle = time.perf_counter()
        for budget in BUDGETS:
            answer_within(completer, free, budget)
        end = time.perf_counter()
        seconds["unlimited"].append(middle - start)
        seconds["sweep"].append(end - start)
    # The first round warms up.
    one, all_of = (statistics.median(seconds[name][1:]) for name in ("unlimited", "sweep"))
    sys.stdout.write(
        f"{arguments.problems} problems: one unlimited evaluation {one:.2f} s, with a sweep of {len(BUDGETS)} budgets "
        f"{all_of:.2f} s: {all_of / one:.2f} times\n"
    )


if __name__ == "__main__":
    main()
