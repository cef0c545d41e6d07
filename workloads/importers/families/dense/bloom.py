"""BLOOM."""

from typing import Any, ClassVar

from workloads.importers.families.base import (
    Count,
    Family,
    Length,
    Probability,
    alias,
    plain_choices,
)


class Bloom(Family):
    """BLOOM: linear position biases, normalised embedding, tied head."""

    LENGTH: ClassVar[str] = "seq_length"
    HEADS: ClassVar[tuple[str, str]] = ("hidden_size", "n_head")
    vocab_size: Count
    hidden_size: Count = alias("hidden_size", "n_embed")
    n_layer: Count = alias("n_layer", "num_hidden_layers")
    n_head: Count = alias("n_head", "num_attention_heads")
    seq_length: Length | None = None
    tie_word_embeddings: bool = True
    hidden_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """LayerNorm, biases, GELU of 4 x hidden."""
        return plain_choices(self.n_layer, self.hidden_size, self.n_head) | {
            "ffn": 4 * self.hidden_size,
            "vocab": self.vocab_size,
            "activation": "gelu",
            "embedding_norm": True,
            "positions": "alibi",
            "tied": self.tie_word_embeddings,
            "dropout": self.hidden_dropout > 0,
        }
