"""BART and mBART."""

from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Length, Probability
from workloads.importers.families.encoders.two_stacks import TwoStacks
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

OFFSET = 2
"""Rows of the position tables before the first token's."""


class Bart(TwoStacks):
    """BART: an encoder and a decoder, each with a table of positions; source and target are as long."""

    POST_NORM: ClassVar[bool] = True

    decoder_attention_heads: Count | None = 16
    encoder_ffn_dim: Count = 4096
    decoder_ffn_dim: Count = 4096
    max_position_embeddings: Length = 1024
    dropout: Probability = 0.1

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the tables."""
        return self.stack_faults("max_position_embeddings", tokens)

    def choices(self) -> dict[str, Any]:
        """Those of two stacks, with normalised embeddings."""
        rows = self.max_position_embeddings + OFFSET
        return super().choices() | {"embedding_norm": True, "max_positions": rows}

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Both stacks, for a source and a target of ``tokens`` each."""
        config = EncoderDecoderConfig(
            name=name, source=source, source_tokens=tokens, target_tokens=tokens, **self.choices()
        )
        said = f"network {name}: a sample is {tokens:,} source tokens and as many target tokens"
        return replace(build_encoder_decoder(config), notes=(said,))
