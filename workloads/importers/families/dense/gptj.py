"""GPT-J, CodeGen's ancestor."""

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
    uneven_heads,
)


class GptJ(Family):
    """GPT-J: both branches read one normalisation; some features rotated; a bias on the head alone."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50400,
        "n_positions": 2048,
        "n_embd": 4096,
        "n_layer": 28,
        "n_head": 16,
    }

    vocab_size: Count
    n_positions: Length = alias("n_positions", "max_position_embeddings")
    n_embd: Count = alias("n_embd", "hidden_size")
    n_layer: Count = alias("n_layer", "num_hidden_layers")
    n_head: Count = alias("n_head", "num_attention_heads")
    n_inner: Count | None = None
    rotary_dim: Count | None = 64
    activation_function: Function = "gelu_new"
    tie_word_embeddings: bool = False
    resid_pdrop: Probability = 0.0

    @property
    def longest(self) -> int | None:
        """Longest sequence."""
        return self.n_positions

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads, more features rotated than a head has."""
        found = uneven_heads("n_embd", self.n_embd, self.n_head)
        if (self.rotary_dim or 0) > self.n_embd // self.n_head:
            size = self.n_embd // self.n_head
            found.append(f"rotary_dim: found {self.rotary_dim}; expected at most the {size} of a head")
        return found

    def choices(self) -> dict[str, Any]:
        """Biases in the feed-forward network and the head."""
        return plain_choices(self.n_layer, self.n_embd, self.n_head) | {
            "ffn": self.n_inner or 4 * self.n_embd,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "parallel_residual": True,
            "shared_norm": True,
            "positions": "rotary",
            "rotary_size": self.rotary_dim or 0,
            "qkv_bias": False,
            "output_bias": False,
            "head_bias": True,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
        }
