"""Where a token ends inside a character: byte-level tokenizers write a rare one in up to four tokens.

A thought that is cut there would end in a broken character, so a budget waits for the rest of it: at most three tokens.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

LONGEST_WAIT = 3
"""Tokens that a budget waits at the most: what a model writes may never become a character."""
FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
"""A byte token of SentencePiece's vocabularies."""


@dataclass(frozen=True)
class Characters:
    """For each id, all (V,): whether it starts a character or holds whole ones; the bytes that its last one still
    misses; the bytes with which it goes on with one."""

    starts: torch.Tensor
    missing: torch.Tensor
    continues: torch.Tensor

    def pending(self, before: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Bytes that are missing after ``tokens`` (N,), where ``before`` (N,) were."""
        starts, missing, continues = (x.to(tokens.device)[tokens] for x in (self.starts, self.missing, self.continues))
        return torch.where(starts, missing, (before - continues).clamp_min(0))

    def whole(self, tokens: Iterable[int]) -> bool:
        """Whether the text of these tokens ends with a whole character."""
        pending = 0
        for token in tokens:
            starts = bool(self.starts[token])
            pending = int(self.missing[token]) if starts else max(0, pending - int(self.continues[token]))
        return pending == 0


def read_characters(tokenizer: PreTrainedTokenizerBase) -> Characters:
    """From the vocabulary; a tokenizer whose tokens are text has none that ends inside a character."""
    vocabulary = tokenizer.get_vocab()
    size = max(vocabulary.values()) + 1
    starts = torch.ones(size, dtype=torch.bool)
    missing, continues = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    letters = _byte_letters() if _is_byte_level(tokenizer) else None
    added = set(tokenizer.get_added_vocab().values())
    for token, index in vocabulary.items():
        content = None if index in added else _bytes(token, letters)
        if content:
            starts[index], missing[index], continues[index] = _ends(content)
    return Characters(starts, missing, continues)


def _is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and "ByteLevel" in json.dumps(json.loads(backend.to_str())["decoder"])


def _byte_letters() -> dict[str, int]:
    """The letter that byte-level BPE (GPT-2's) writes for each byte, turned round."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


def _bytes(token: str, letters: dict[str, int] | None) -> bytes | None:
    if letters is not None:
        return bytes(letters[letter] for letter in token) if all(letter in letters for letter in token) else None
    fallback = FALLBACK.fullmatch(token)
    return bytes([int(fallback[1], 16)]) if fallback else None


def _ends(content: bytes) -> tuple[bool, int, int]:
    """``starts``, ``missing`` and ``continues`` of one token."""
    is_tail = [0x80 <= byte < 0xC0 for byte in content]
    if all(is_tail):
        return False, 0, len(content)
    last = len(content) - 1 - is_tail[::-1].index(False)
    lead = content[last]
    length = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    return True, max(0, length - (len(content) - last)), 0
