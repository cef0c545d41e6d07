"""Cohere's Command R, R7B and A."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Window, alias
from workloads.importers.families.dense.llama import Llama


class Cohere(Llama):
    """Command R: both branches read one LayerNorm without shift; tied head."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 8192,
        "intermediate_size": 22528,
        "num_hidden_layers": 40,
        "num_attention_heads": 64,
        "max_position_embeddings": 8192,
    }

    tie_word_embeddings: bool = True
    use_qk_norm: bool = False

    def choices(self) -> dict[str, Any]:
        """Llama's gate and heads in a parallel block."""
        return super().choices() | {
            "normalization": "layernorm",
            "norm_shift": False,
            "bias": False,
            "parallel_residual": True,
            "shared_norm": True,
            "qk_norm": "own" if self.use_qk_norm else "",
        }


class Cohere2(Cohere):
    """Command R7B and A: three windowed layers to one without window and positions."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {**Cohere.DIMENSIONS, "num_hidden_layers": 40}

    sliding_window: Window | None = 4096
    sliding_window_pattern: Count = alias("sliding_window_pattern", "_sliding_window_pattern", default=4)

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but the last of ``sliding_window_pattern`` layers."""
        return (window,) * (self.sliding_window_pattern - 1) + (0,)

    def choices(self) -> dict[str, Any]:
        """Command R's; positions rotate queries and keys of windowed layers alone."""
        found = super().choices()
        return found | {"rotated": tuple(window > 0 for window in found["windows"])}
