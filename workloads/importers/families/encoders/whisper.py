"""Whisper."""

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


class Whisper(Family):
    """Whisper: two convolutions over a spectrogram of 30 s, an encoder, and a decoder of text.

    A sample's length is that of its text.
    """

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 51865,
        "d_model": 384,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "encoder_attention_heads": 6,
    }

    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    encoder_layers: Count
    decoder_layers: Count
    encoder_attention_heads: Count
    decoder_attention_heads: Count | None = None
    encoder_ffn_dim: Count = 1536
    decoder_ffn_dim: Count = 1536
    num_mel_bins: Count = 80
    max_source_positions: Length = 1500
    max_target_positions: Length = 448
    activation_function: Function = "gelu"
    tie_word_embeddings: bool = True
    dropout: Probability = 0.0

    @property
    def longest(self) -> int | None:
        """Rows of the text's position table."""
        return self.max_target_positions

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, texts longer than the position table."""
        decoder_heads = self.decoder_attention_heads or self.encoder_attention_heads
        return [
            *uneven_heads("d_model", self.d_model, self.encoder_attention_heads),
            *uneven_heads("d_model", self.d_model, decoder_heads),
            *too_long("max_target_positions", self.max_target_positions, tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Fields of `EncoderDecoderConfig`, except name, source and tokens."""
        return {
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "hidden": self.d_model,
            "heads": self.encoder_attention_heads,
            "decoder_heads": self.decoder_attention_heads or 0,
            "head_size": self.d_model // self.encoder_attention_heads,
            "ffn": self.encoder_ffn_dim,
            "decoder_ffn": self.decoder_ffn_dim,
            "vocab": self.vocab_size,
            "gated": False,
            "activation": FUNCTIONS[self.activation_function],
            "normalization": "layernorm",
            "post_norm": False,
            "final_norm": True,
            "positions": "learned",
            "target_positions": self.max_target_positions,
            "mel_bins": self.num_mel_bins,
            "bias": True,
            "key_bias": False,
            "tied": self.tie_word_embeddings,
            "dropout": self.dropout > 0,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Spectrogram, encoder and decoder; the encoder's fixed positions are counted as they are stored."""
        rows = self.max_source_positions
        config = EncoderDecoderConfig(
            name=name, source=source, source_tokens=rows, target_tokens=tokens, **self.choices()
        )
        network = build_encoder_decoder(config)
        first, *others = network.blocks
        layers = tuple(
            replace(layer, parameters=rows * self.d_model) if layer.name == "positions" else layer
            for layer in first.layers
        )
        said = (
            f"network {name}: a sample is {rows:,} frames of sound and {tokens:,} tokens of text; the "
            f"{rows * self.d_model:,} sinusoids of the encoder are counted, because Transformers stores them"
        )
        return replace(network, blocks=(replace(first, layers=layers), *others), notes=(said,))
