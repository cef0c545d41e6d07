"""Phi 1, 1.5 and 2."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Function, Probability
from workloads.importers.families.dense.llama import Llama


class Phi(Llama):
    """Phi: both branches read one LayerNorm; biases everywhere, also on the head; half of a head rotated."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 51200,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
    }

    hidden_act: Function = "gelu_new"
    partial_rotary_factor: Probability = 0.5
    qk_layernorm: bool = False
    resid_pdrop: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """Llama's heads in a parallel block with a plain feed-forward network."""
        return super().choices() | {
            "gated": False,
            "normalization": "layernorm",
            "bias": True,
            "qkv_bias": True,
            "output_bias": True,
            "head_bias": True,
            "parallel_residual": True,
            "shared_norm": True,
            "qk_norm": "head" if self.qk_layernorm else "",
            "dropout": self.resid_pdrop > 0,
        }
