"""The held-out gate of a chat model: a quick sample of validation problems, in the modes that the mix asks for."""

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.evaluation.figures import mean
from pipeline.generation.complete import Completer
from pipeline.generation.sampling import Sampling
from pipeline.seeds import derive_seed
from pipeline.training.callbacks import Gate
from pipeline.training.data import draw_prompts
from pipeline.training.settings import GateSettings


def chat_gate(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: GateSettings, seed: int) -> Gate:
    """A function that measures the model as it stands. The problems and their random streams are the same each time."""
    prompts = draw_prompts(settings, settings.mix, settings.problems, derive_seed(seed, "gate"), "validation")
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
