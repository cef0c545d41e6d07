"""BERT, RoBERTa and DistilBERT as base models: embedding, encoder and pooler, without heads."""

from collections.abc import Iterator
from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    Whole,
    plain_choices,
    too_long,
)
from workloads.network import Network
from workloads.zoo.language.bert import build_encoder

HEADS = "heads are no part of a base model: their parameters and work are left out (bert-base has them)"


class Bert(Family):
    """BERT: normalised after each branch, learned positions, segments."""

    OFFSET: ClassVar[int] = 0
    POOLED: ClassVar[bool] = True

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Length
    type_vocab_size: Whole = 2
    hidden_act: Function = "gelu"
    hidden_dropout_prob: Probability = 0.1

    @property
    def longest(self) -> int | None:
        """Rows of the position table behind its offset."""
        return max(1, self.max_position_embeddings - self.OFFSET)

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        return [
            *super().faults(tokens),
            *too_long("max_position_embeddings", self.max_position_embeddings - self.OFFSET, tokens),
        ]

    def ignored(self) -> Iterator[str]:
        """Heads."""
        yield HEADS

    def choices(self) -> dict[str, Any]:
        """An encoder's."""
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.hidden_act],
            "post_norm": True,
            "embedding_norm": True,
            "segments": self.type_vocab_size,
            "positions": "learned",
            "max_positions": self.max_position_embeddings,
            "tied": False,
            "dropout": self.hidden_dropout_prob > 0,
            "causal": False,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Embedding, encoder, and the pooler where the family has one."""
        config = self.decoder(name=name, source=source, tokens=tokens)
        return build_encoder(config, pooled=self.POOLED)
