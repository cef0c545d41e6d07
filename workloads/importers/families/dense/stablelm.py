"""StableLM."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Probability
from workloads.importers.families.dense.llama import Llama


class StableLm(Llama):
    """StableLM: Llama with LayerNorm, a quarter of each head rotated, and parallel branches in the 12B."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50304,
        "hidden_size": 2560,
        "intermediate_size": 6912,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
    }

    num_key_value_heads: Count = 32
    partial_rotary_factor: Probability = 0.25
    use_qkv_bias: bool = False
    qk_layernorm: bool = False
    use_parallel_residual: bool = False
    hidden_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """Llama's gate with the switches of the family."""
        return super().choices() | {
            "normalization": "layernorm",
            "bias": False,
            "qkv_bias": self.use_qkv_bias,
            "output_bias": False,
            "parallel_residual": self.use_parallel_residual,
            "shared_norm": self.use_parallel_residual,
            "qk_norm": "own" if self.qk_layernorm else "",
            "qk_norm_shift": False,
            "dropout": self.hidden_dropout > 0,
        }
