"""GPT-NeoX and Pythia."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    plain_choices,
    rotated,
)


class GptNeoX(Family):
    """GPT-NeoX and Pythia: rotary positions, both branches on the same input."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50432,
        "hidden_size": 6144,
        "intermediate_size": 24576,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "max_position_embeddings": 2048,
    }

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Length
    rotary_pct: Probability = 0.25
    hidden_act: Function = "gelu"
    use_parallel_residual: bool = True
    tie_word_embeddings: bool = False
    attention_bias: bool = True
    hidden_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """LayerNorm, biases, plain feed-forward network."""
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.hidden_act],
            "parallel_residual": self.use_parallel_residual,
            "positions": "rotary",
            "rotary_size": rotated(self.hidden_size // self.num_attention_heads, self._rotary_share),
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.hidden_dropout > 0,
        }

    @property
    def _rotary_share(self) -> float:
        found = (rope.partial_rotary_factor for rope in (self.rope_parameters, self.rope_scaling) if rope)
        return next((share for share in found if share is not None), self.rotary_pct)
