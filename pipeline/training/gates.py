"""The held-out gate of a chat model: a quick sample of validation problems, in the modes that the mix asks for."""

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.evaluation.figures import mean
from pipeline.generation.complete import Completer
from pipeline.generation.sampling import Sampling
from pipeline.problems import make_family
from pipeline.problems.prompts import mixed_prompt
from pipeline.seeds import derive_seed
from pipeline.training.callbacks import Gate
from pipeline.training.settings import GateSettings


def chat_gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: GateSettings, seed: int) -> Gate:
    """A function that measures the model as it stands. The problems and their random streams are the same each time."""
    from random import Random

    family = make_family(settings.family, settings.family_options)
    low, high = settings.difficulty
    rng = Random(derive_seed(seed, "gate"))
    problems = family.sample(settings.problems, "validation", (low, high), derive_seed(seed, "gate"))
    prompts = [mixed_prompt(problem, settings.mix, family, rng) for problem in problems]
    completer = Completer(model, tokenizer, settings.max_new_tokens)

    def measure() -> dict[str, float]:
        judged = completer.complete(prompts, Sampling(temperature=settings.temperature), derive_seed(seed, "gate"))
        figures = {}
        for mode in sorted({prompt.mode for prompt in prompts}):
            rows = [item for item in judged if item.prompt.mode == mode]
            figures[f"{mode}_accuracy"] = mean([item.correct for item in rows])
            figures[f"{mode}_format"] = mean([item.formatted for item in rows])
            figures[f"{mode}_mode"] = mean([item.mode_followed for item in rows])
        return figures

    return measure
