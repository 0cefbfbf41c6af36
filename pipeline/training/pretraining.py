"""Pretraining on a procedural corpus: batches made on the spot, whole documents packed apart, a gate on the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from pipeline.chat.encode import encode_text, render_prompt
from pipeline.chat.parse import BOXED
from pipeline.chat.tokenizer import END, PAD, train_tokenizer
from pipeline.generation.loop import generate
from pipeline.generation.sampling import GREEDY
from pipeline.problems import Family, Problem, verify
from pipeline.problems.corpus import CorpusSettings, Document, write_document
from pipeline.problems.thoughts import CONNECTIVES
from pipeline.seeds import derive_seed

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


@dataclass(frozen=True)
class Curriculum:
    """The hardest problem of a step: from ``start`` to ``end`` over ``steps``."""

    start: int
    end: int
    steps: int

    def hardest(self, step: int) -> int:
        grown = min(1.0, step / max(1, self.steps))
        return self.start + round(grown * (self.end - self.start))


def corpus_tokenizer(
    family: Family, corpus: CorpusSettings, hardest: int, vocab_size: int, seed: int
) -> PreTrainedTokenizerBase:
    """A tokenizer trained on documents of the corpus, chat markers and roles included."""
    rng = Random(derive_seed(seed, "tokenizer"))
    documents = [write_document(family, corpus, rng, hardest) for _ in range(TOKENIZER_DOCUMENTS)]
    texts = [f"user\n{document.question}\nassistant\nsystem\n{document.response}" for document in documents]
    return train_tokenizer(texts, vocab_size)


class PackedDocuments(Dataset[dict[str, Any]]):
    """Item ``i`` is the whole batch of step ``i``, made from its own seed: resuming at a step needs no replay."""

    def __init__(
        self,
        family: Family,
        tokenizer: PreTrainedTokenizerBase,
        corpus: CorpusSettings,
        curriculum: Curriculum,
        shape: tuple[int, int, int],
        seed: int,
    ) -> None:
        """``shape``: steps, rows of a batch, tokens of a row."""
        self.family, self.tokenizer, self.corpus, self.curriculum = family, tokenizer, corpus, curriculum
        self.steps, self.rows, self.width = shape
        self.seed = seed

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> dict[str, Any]:
        rng = Random(derive_seed(self.seed, "corpus", step))
        rows, width, hardest = self.rows, self.width, self.curriculum.hardest(step)
        documents: list[list[int]] = []
        room = rows * width
        while room > 0:
            texts = [
                render_document(self.tokenizer, write_document(self.family, self.corpus, rng, hardest))
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


class StepTrainer(Trainer):
    """A trainer whose dataset items are whole batches, taken in order."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


def text_accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], max_new_tokens: int
) -> float:
    """Greedy accuracy on problems as plain text.

    The first connective is given, which asks for a worked thought rather than for a direct answer. (A bare line break
    would not do: it is a token of its own only before a direct answer.)
    """
    prompts = encode_text(tokenizer, [f"{p.question}\n{CONNECTIVES[p.language][0]}" for p in problems])
    rollouts = generate(model, prompts, GREEDY, max_new_tokens, [tokenizer.pad_token_id, tokenizer.eos_token_id])
    right = 0
    for problem, rollout in zip(problems, rollouts, strict=True):
        boxed = BOXED.findall(tokenizer.decode(rollout.ids))
        right += len(boxed) == 1 and verify(boxed[0], problem)
    return right / len(problems)
