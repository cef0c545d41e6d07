"""BLOOM."""

from typing import Any

from pydantic import AliasChoices, Field, PositiveInt

from workloads.importers.families.base import Family, Probability, plain_choices, uneven_heads


class Bloom(Family):
    """BLOOM: linear position biases, normalised embedding, tied head."""

    vocab_size: PositiveInt
    hidden_size: PositiveInt = Field(validation_alias=AliasChoices("hidden_size", "n_embed"))
    n_layer: PositiveInt
    n_head: PositiveInt = Field(validation_alias=AliasChoices("n_head", "num_attention_heads"))
    seq_length: PositiveInt | None = None
    hidden_dropout: Probability = 0.0

    @property
    def length(self) -> int | None:
        """Pre-training length, where said: linear biases have no maximum."""
        return self.seq_length

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return uneven_heads("hidden_size", self.hidden_size, self.n_head)

    def choices(self) -> dict[str, Any]:
        """LayerNorm, biases, GELU of 4 x hidden."""
        return plain_choices(self.n_layer, self.hidden_size, self.n_head) | {
            "ffn": 4 * self.hidden_size,
            "vocab": self.vocab_size,
            "activation": "gelu",
            "embedding_norm": True,
            "positions": "alibi",
            "tied": True,
            "dropout": self.hidden_dropout > 0,
        }
