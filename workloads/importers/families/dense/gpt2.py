"""GPT-2."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    alias,
    plain_choices,
    too_long,
)


class Gpt2(Family):
    """GPT-2."""

    LENGTH: ClassVar[str] = "n_positions"
    HEADS: ClassVar[tuple[str, str]] = ("n_embd", "n_head")
    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
    }

    vocab_size: Count
    n_positions: Length = alias("n_positions", "max_position_embeddings")
    n_embd: Count = alias("n_embd", "hidden_size")
    n_layer: Count = alias("n_layer", "num_hidden_layers")
    n_head: Count = alias("n_head", "num_attention_heads")
    n_inner: Count | None = None
    activation_function: Function = "gelu_new"
    tie_word_embeddings: bool = True
    resid_pdrop: Probability = 0.1

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        return [
            *super().faults(tokens),
            *too_long("n_positions", self.n_positions, tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Pre-normalised, learned positions, biases."""
        return plain_choices(self.n_layer, self.n_embd, self.n_head) | {
            "ffn": self.n_inner or 4 * self.n_embd,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "positions": "learned",
            "max_positions": self.n_positions,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
        }
