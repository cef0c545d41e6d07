"""BigCode's models: SantaCoder and StarCoder (``gpt_bigcode``), StarCoder 2."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Function, Probability, Window
from workloads.importers.families.dense.gpt2 import Gpt2
from workloads.importers.families.dense.llama import Llama


class GptBigCode(Gpt2):
    """StarCoder: GPT-2 whose queries share one head of keys and values."""

    activation_function: Function = "gelu_pytorch_tanh"
    multi_query: bool = True

    def choices(self) -> dict[str, Any]:
        """GPT-2's, with fewer key-value heads."""
        return super().choices() | {"kv_heads": 1 if self.multi_query else self.n_head}


class StarCoder2(Llama):
    """StarCoder 2: rotary positions, grouped queries, LayerNorm, biases, a plain feed-forward network."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 49152,
        "hidden_size": 3072,
        "intermediate_size": 12288,
        "num_hidden_layers": 30,
        "num_attention_heads": 24,
        "max_position_embeddings": 4096,
    }

    num_key_value_heads: Count = 2
    hidden_act: Function = "gelu_pytorch_tanh"
    tie_word_embeddings: bool = True
    sliding_window: Window | None = None
    use_bias: bool = True
    residual_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """Llama's heads, GPT's feed-forward network."""
        return super().choices() | {
            "gated": False,
            "normalization": "layernorm",
            "bias": self.use_bias,
            "qkv_bias": self.use_bias,
            "output_bias": self.use_bias,
            "dropout": self.residual_dropout > 0,
        }
