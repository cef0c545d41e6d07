"""BART and mBART."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    alias,
    too_long,
    uneven_heads,
)
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

OFFSET = 2
"""Rows of the position tables before the first token's."""


class Bart(Family):
    """BART: an encoder and a decoder, each with a table of positions; source and target are as long."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50265,
        "d_model": 1024,
        "encoder_layers": 12,
        "decoder_layers": 12,
        "encoder_attention_heads": 16,
    }
    POST_NORM: ClassVar[bool] = True

    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    encoder_layers: Count = alias("encoder_layers", "num_hidden_layers")
    decoder_layers: Count
    encoder_attention_heads: Count
    decoder_attention_heads: Count = 16
    encoder_ffn_dim: Count = 4096
    decoder_ffn_dim: Count = 4096
    max_position_embeddings: Length = 1024
    activation_function: Function = "gelu"
    tie_word_embeddings: bool = True
    dropout: Probability = 0.1

    @property
    def longest(self) -> int | None:
        """Rows of both tables of positions."""
        return self.max_position_embeddings

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the tables."""
        return [
            *uneven_heads("d_model", self.d_model, self.encoder_attention_heads),
            *uneven_heads("d_model", self.d_model, self.decoder_attention_heads),
            *too_long("max_position_embeddings", self.max_position_embeddings, tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Fields of `EncoderDecoderConfig`, except name, source and tokens."""
        return {
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "hidden": self.d_model,
            "heads": self.encoder_attention_heads,
            "head_size": self.d_model // self.encoder_attention_heads,
            "decoder_heads": self.decoder_attention_heads,
            "ffn": self.encoder_ffn_dim,
            "decoder_ffn": self.decoder_ffn_dim,
            "vocab": self.vocab_size,
            "gated": False,
            "activation": FUNCTIONS[self.activation_function],
            "normalization": "layernorm",
            "post_norm": self.POST_NORM,
            "final_norm": not self.POST_NORM,
            "embedding_norm": True,
            "positions": "learned",
            "max_positions": self.max_position_embeddings + OFFSET,
            "bias": True,
            "tied": self.tie_word_embeddings,
            "dropout": self.dropout > 0,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Both stacks, for a source and a target of ``tokens`` each."""
        config = EncoderDecoderConfig(
            name=name, source=source, source_tokens=tokens, target_tokens=tokens, **self.choices()
        )
        said = f"network {name}: a sample is {tokens:,} source tokens and as many target tokens"
        return replace(build_encoder_decoder(config), notes=(said,))


class MBart(Bart):
    """mBART: BART normalised before branches and at the end of both stacks."""

    POST_NORM: ClassVar[bool] = False
