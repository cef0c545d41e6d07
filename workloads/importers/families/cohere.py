"""Cohere's Command R."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.llama import Llama


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
