"""On-policy distillation through TRL's ``DistillationTrainer``: our prompts and rollouts, its divergence."""

from typing import TYPE_CHECKING, Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import DistillationConfig, DistillationTrainer

from pipeline.chat.encode import encode_text, render_prompt
from pipeline.errors import ColdstartError
from pipeline.generation.loop import generate
from pipeline.generation.sampling import Sampling
from pipeline.models import load_model, save_model
from pipeline.problems import make_family
from pipeline.runner.request import Request
from pipeline.seeds import derive_seed
from pipeline.tracking import Tracker
from pipeline.training.arguments import trainer_arguments
from pipeline.training.callbacks import TrackerCallback
from pipeline.training.checkpoints import train
from pipeline.training.data import draw_prompts

if TYPE_CHECKING:
    from stages.distill import Settings

CURVE_WINDOW = 5


class RolloutDistillationTrainer(DistillationTrainer):
    """TRL's trainer, sampling through our loop; it has no ``rollout_func`` of its own."""

    def __init__(self, *args: Any, rollout_seed: int, **kwargs: Any) -> None:
        self.rollout_seed = rollout_seed
        super().__init__(*args, **kwargs)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Rendered prompts already carry their special tokens; TRL would let the tokenizer add a second BOS."""
        return encode_text(self.processing_class, prompts), None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        first = self.accelerator.process_index * len(prompt_ids)
        step = self.state.global_step
        rollouts = generate(
            self.accelerator.unwrap_model(self.model),
            prompt_ids,
            Sampling(temperature=self.temperature),
            self.max_completion_length,
            self.eos_token_ids,
            seeds=[derive_seed(self.rollout_seed, "rollout", step, first + row) for row in range(len(prompt_ids))],
        )
        self._metrics["train"]["tokens/generated"].append(float(sum(len(item.ids) for item in rollouts)))
        return [item.ids for item in rollouts]


def check_vocabularies(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, stage: str) -> None:
    """Raises ColdstartError unless each id is the same token in both: TRL compares the sizes alone."""
    ours, theirs = student.get_vocab(), teacher.get_vocab()
    if ours == theirs:
        return
    different = sorted(token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token))
    raise ColdstartError(
        f"stage {stage}: student and teacher have different vocabularies ({len(ours)} and {len(theirs)} tokens, "
        f"{len(different)} of them not at the same id, such as {different[:3]}); logits can only be matched over one "
        "vocabulary: make the student with the teacher's tokenizer (inputs: {tokenizer: ...}), or distil off-policy "
        "with `sample` and `sft`"
    )


def distil(settings: "Settings", request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the student; returns its metrics."""
    model, tokenizer = load_model(request.input("student"))
    teacher, teacher_tokenizer = load_model(request.input("teacher"))
    check_vocabularies(tokenizer, teacher_tokenizer, request.stage)
    family = make_family(settings.family, settings.family_options)
    prompts = draw_prompts(
        family, settings.max_steps * settings.batch_size, settings.difficulty, settings.mix, request.seed
    )
    trainer = RolloutDistillationTrainer(
        model=model,
        teacher_model=teacher,
        args=trainer_arguments(
            DistillationConfig,
            settings,
            request,
            max_steps=settings.max_steps,
            beta=settings.beta,
            temperature=settings.temperature,
            max_completion_length=settings.max_completion_length,
            shuffle_dataset=False,
            lr_scheduler_type="linear",
        ),
        train_dataset=Dataset.from_list([{"prompt": render_prompt(tokenizer, prompt.messages)} for prompt in prompts]),
        processing_class=tokenizer,
        callbacks=[TrackerCallback(tracker)],
        rollout_seed=request.seed,
    )
    train(trainer, tracker)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    teacher_parameters = sum(parameter.numel() for parameter in teacher.parameters())
    save_model(model, tokenizer, request.folder, request.stage, {"steps": trainer.state.global_step})
    losses = [row["loss"] for row in tracker.history() if row.get("loss") is not None]
    return {
        "steps": trainer.state.global_step,
        "parameters": parameters,
        "teacher_parameters": teacher_parameters,
        "first_loss": sum(losses[:CURVE_WINDOW]) / len(losses[:CURVE_WINDOW]),
        "last_loss": sum(losses[-CURVE_WINDOW:]) / len(losses[-CURVE_WINDOW:]),
        "tokens_generated": int(sum(row.get("tokens/generated") or 0 for row in tracker.history())),
    }
