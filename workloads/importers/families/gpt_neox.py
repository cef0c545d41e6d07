"""GPT-NeoX and Pythia."""

from typing import Any, Literal

from pydantic import PositiveInt

from workloads.importers.families.base import (
    FUNCTIONS,
    Family,
    Function,
    Probability,
    plain_choices,
    uneven_heads,
)


class GptNeoX(Family):
    """GPT-NeoX and Pythia: rotary positions, both branches on the same input."""

    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    max_position_embeddings: PositiveInt
    hidden_act: Function = "gelu"
    use_parallel_residual: bool = True
    tie_word_embeddings: bool = False
    attention_bias: Literal[True] = True
    hidden_dropout: Probability = 0.0

    @property
    def length(self) -> int | None:
        """Longest sequence."""
        return self.max_position_embeddings

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return uneven_heads("hidden_size", self.hidden_size, self.num_attention_heads)

    def choices(self) -> dict[str, Any]:
        """LayerNorm, biases, plain feed-forward network."""
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.hidden_act],
            "parallel_residual": self.use_parallel_residual,
            "positions": "rotary",
            "tied": self.tie_word_embeddings,
            "dropout": self.hidden_dropout > 0,
        }
