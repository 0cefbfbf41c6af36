"""Pretraining on a procedural corpus: batches made on the spot, whole documents packed apart, a gate on the end."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from pipeline.chat.encode import encode_text, render_prompt
from pipeline.chat.parse import BOXED
from pipeline.chat.tokenizer import END, PAD, load_tokenizer, train_tokenizer
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY
from pipeline.models import ModelSize, build_model, save_model
from pipeline.problems import Family, make_family, sample_problems
from pipeline.problems.corpus import Document, write_document
from pipeline.problems.thoughts import CONNECTIVES
from pipeline.runner.request import Request
from pipeline.seeds import derive_seed
from pipeline.tracking import Tracker
from pipeline.training.callbacks import HoldUntilGate, TrackerCallback
from pipeline.training.checkpoints import train
from pipeline.training.muon import MuonAdamW
from pipeline.training.schedules import HoldThenDecay

if TYPE_CHECKING:
    from stages.pretrain import Settings

TOKENIZER_DOCUMENTS = 3000
IGNORED = -100


def render_document(tokenizer: PreTrainedTokenizerBase, document: Document) -> str:
    """Plain text, or the chat form without think tags; either way with its end token."""
    if document.question is None:
        return document.response + PAD
    if document.chat:
        prompt = render_prompt(tokenizer, [{"role": "user", "content": document.question}])
        return prompt + document.response + END
    return f"{document.question}\n{document.response}{PAD}"


def corpus_tokenizer(family: Family, settings: "Settings", seed: int) -> PreTrainedTokenizerBase:
    """A tokenizer trained on documents of the corpus, chat markers and roles included."""
    rng = Random(derive_seed(seed, "tokenizer"))
    documents = [
        write_document(family, settings.corpus, rng, settings.difficulty_end) for _ in range(TOKENIZER_DOCUMENTS)
    ]
    texts = [f"user\n{document.question}\nassistant\nsystem\n{document.response}" for document in documents]
    return train_tokenizer(texts, settings.vocab_size)


class PackedDocuments(Dataset[dict[str, Any]]):
    """Item ``i`` is the whole batch of step ``i``, made from its own seed: resuming at a step needs no replay."""

    def __init__(self, family: Family, tokenizer: PreTrainedTokenizerBase, settings: "Settings", seed: int) -> None:
        self.family, self.tokenizer, self.settings, self.seed = family, tokenizer, settings, seed

    def __len__(self) -> int:
        return self.settings.max_steps

    def hardest(self, step: int) -> int:
        grown = min(1.0, step / max(1, self.settings.difficulty_steps))
        low, high = self.settings.difficulty_start, self.settings.difficulty_end
        return low + round(grown * (high - low))

    def __getitem__(self, step: int) -> dict[str, Any]:
        rng = Random(derive_seed(self.seed, "corpus", step))
        rows, width = self.settings.batch_size, self.settings.sequence_length
        documents: list[list[int]] = []
        room = rows * width
        while room > 0:
            texts = [
                render_document(
                    self.tokenizer, write_document(self.family, self.settings.corpus, rng, self.hardest(step))
                )
                for _ in range(16)
            ]
            documents += [ids for ids in encode_text(self.tokenizer, texts) if len(ids) <= width]
            room = rows * width - sum(len(ids) for ids in documents)
        return pack(documents, rows, width, self.tokenizer.pad_token_id)


def pack(documents: Sequence[list[int]], rows: int, width: int, pad: int) -> dict[str, Any]:
    """Longest first, each into the first row with room: (rows, width) ids, labels and positions.

    Positions start again at each document, from which Transformers derives the mask that keeps documents apart.
    Documents that find no room are dropped; the few positions left over are padding without a label.
    """
    input_ids = torch.full((rows, width), pad)
    labels = torch.full((rows, width), IGNORED)
    positions = torch.zeros(rows, width, dtype=torch.long)
    used = [0] * rows
    for ids in sorted(documents, key=len, reverse=True):
        row = next((row for row in range(rows) if used[row] + len(ids) <= width), None)
        if row is None:
            continue
        span = slice(used[row], used[row] + len(ids))
        input_ids[row, span] = labels[row, span] = torch.tensor(ids)
        labels[row, used[row]] = IGNORED  # the first token of a document follows from nothing
        positions[row, span] = torch.arange(len(ids))
        used[row] += len(ids)
    for row in range(rows):
        positions[row, used[row] :] = torch.arange(width - used[row])
    # With a cache in the forward pass Transformers drops the mask between documents without a word.
    return {"input_ids": input_ids, "labels": labels, "position_ids": positions, "use_cache": False}


class _StepTrainer(Trainer):
    """A trainer whose dataset items are whole batches, taken in order."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


def text_accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, family: Family, settings: "Settings", seed: int
) -> float:
    """Greedy accuracy on held-out (validation) problems as plain text.

    The first connective is given, which asks for a worked thought rather than for a direct answer. (A bare line break
    would not do: it is a token of its own only before a direct answer.)
    """
    problems = sample_problems(family, settings.gate_problems, "validation", (1, settings.difficulty_end), seed)
    prompts = encode_text(tokenizer, [f"{p.question}\n{CONNECTIVES[p.language][0]}" for p in problems])
    rollouts = generate(
        model, prompts, GREEDY, settings.sequence_length, [tokenizer.pad_token_id, tokenizer.eos_token_id]
    )
    right = 0
    for problem, rollout in zip(problems, rollouts, strict=True):
        boxed = BOXED.findall(tokenizer.decode(rollout.ids))
        right += len(boxed) == 1 and family.verify(boxed[0], problem)
    return right / len(problems)


def pretrain(settings: "Settings", request: Request, tracker: Tracker) -> dict[str, Any]:
    """Train and save the model; returns its metrics."""
    family = make_family(settings.family, settings.family_options)
    if "tokenizer" in request.inputs:
        tokenizer = load_tokenizer(request.input("tokenizer") / "model")
    else:
        tokenizer = corpus_tokenizer(family, settings, request.seed)
    model = build_model(ModelSize(**settings.model), tokenizer, request.seed)

    optimizer = MuonAdamW(model, settings.learning_rate, settings.adam_learning_rate, settings.weight_decay)
    schedule = HoldThenDecay(settings.warmup_steps, settings.decay_steps)

    def gate() -> dict[str, float]:
        return {"accuracy": text_accuracy(model, tokenizer, family, settings, request.seed)}

    trainer = _StepTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(request.trainer_folder),
            per_device_train_batch_size=1,  # one item is the whole batch of a step
            max_steps=settings.max_steps,
            max_grad_norm=settings.max_grad_norm,
            seed=request.seed,
            save_strategy="steps",
            save_steps=settings.save_steps,
            save_total_limit=2,
            logging_steps=settings.logging_steps,
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            use_cpu=not torch.cuda.is_available(),
        ),
        train_dataset=PackedDocuments(family, tokenizer, settings, request.seed),
        data_collator=lambda items: items[0],
        optimizers=(optimizer, LambdaLR(optimizer, schedule)),
        callbacks=[
            TrackerCallback(tracker),
            HoldUntilGate(gate, settings.gate, settings.gate_every, schedule, tracker),
        ],
    )
    train(trainer, tracker)

    final = gate()
    steps = trainer.state.global_step
    metrics: dict[str, Any] = {
        "steps": steps,
        "gate_step": schedule.decay_from,
        "capped": not any(row.get("gate/accuracy", 0) >= settings.gate.get("accuracy", 0) for row in tracker.history()),
        "text_accuracy": final["accuracy"],
        "text_problems": settings.gate_problems,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": steps * settings.batch_size * settings.sequence_length,
    }
    tracker.log(steps, {"gate/accuracy": final["accuracy"]})
    save_model(model, tokenizer, request.folder, request.stage, metrics)
    return metrics
