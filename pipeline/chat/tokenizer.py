"""Tokenizers: one trained on the spot for models made from scratch, a Hugging Face one otherwise.

Both leave here with the same contract: our chat template (Qwen3's), ``<|im_end|>`` or the model's own token as the end
of a turn, and ``<think>`` / ``</think>`` as ordinary added tokens, never special ones, because TRL decodes completions
with ``skip_special_tokens=True`` before rewards see them.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pipeline.chat.parse import CLOSE, OPEN
from pipeline.errors import ColdstartError

TEMPLATE = (Path(__file__).parent / "template.jinja").read_text(encoding="utf-8")
"""Qwen3's own template (Apache-2.0; the copy that TRL ships), unchanged."""

PAD, TURN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
ROLES = ("user", "assistant", "system")

# A word with the one space or line break before it is a token; brackets, punctuation and \boxed{ stand alone.
PIECES = r"\\\w+\{|[ \n]?[^\s{}\\.,;:!?。，；：！？]+|[{}\\.,;:!?。，；：！？]|\s+"


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE over ``texts``; with enough ``vocab_size`` each word of a small language is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, TURN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, padding_side="left")
    add_think_tokens(fast)
    fast.chat_template = TEMPLATE
    return fast


def add_think_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Add the think tags where missing; returns how many were. Raises ColdstartError when they are special tokens."""
    special = [tag for tag in (OPEN, CLOSE) if tag in tokenizer.all_special_tokens]
    if special:
        raise ColdstartError(
            f"the tokenizer has {special} as special tokens, which decoding drops before rewards see them; "
            "set special=False for them in tokenizer_config.json"
        )
    missing = [tag for tag in (OPEN, CLOSE) if len(tokenizer.encode(tag, add_special_tokens=False)) != 1]
    return tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in missing])


def load_tokenizer(path: str | Path, **kwargs: object) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or hub id, ready for batches (left padding, a pad token)."""
    tokenizer = AutoTokenizer.from_pretrained(path, **kwargs)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
