"""On-policy distillation through TRL's ``DistillationTrainer``: our prompts and rollouts, its divergence."""

from typing import Any

from transformers import PreTrainedTokenizerBase
from trl import DistillationTrainer

from pipeline.chat.encode import encode_text
from pipeline.errors import ColdstartError
from pipeline.generation.loop import generate
from pipeline.generation.sampling import Sampling
from pipeline.seeds import derive_seed


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
