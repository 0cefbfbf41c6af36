"""A KV cache with room for the whole generation from the start.

Transformers' dynamic cache grows by concatenation, which copies everything at each token; its static one attends over
its full length from the first token. This one writes in place and attends over what is there.
"""

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer


class RoomyLayer(DynamicLayer):
    """``keys`` and ``values`` are views (B, H, T, D) of buffers (B, H, capacity, D)."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            rows, heads, _, width = key_states.shape
            self.key_buffer = key_states.new_empty(rows, heads, self.capacity, width)
            self.value_buffer = value_states.new_empty(rows, heads, self.capacity, value_states.shape[-1])
        start, self.length = self.length, self.length + key_states.shape[-2]
        self.key_buffer[:, :, start : self.length] = key_states
        self.value_buffer[:, :, start : self.length] = value_states
        self.keys = self.key_buffer[:, :, : self.length]
        self.values = self.value_buffer[:, :, : self.length]
        return self.keys, self.values

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Drop all but ``rows`` (R,), in their order."""
        for name in ("key_buffer", "value_buffer"):
            old = getattr(self, name)
            new = old.new_empty(len(rows), *old.shape[1:])
            new[:, :, : self.length] = old[rows, :, : self.length]
            setattr(self, name, new)


class RoomyCache(Cache):
    def __init__(self, config: PreTrainedConfig, capacity: int) -> None:
        layers = config.get_text_config().num_hidden_layers
        super().__init__(layers=[RoomyLayer(capacity) for _ in range(layers)])

    def keep_rows(self, rows: torch.Tensor) -> None:
        for layer in self.layers:
            layer.keep_rows(rows)
