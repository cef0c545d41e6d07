"""Whisper."""

from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Length
from workloads.importers.families.encoders.two_stacks import TwoStacks
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder


class Whisper(TwoStacks):
    """Whisper: two convolutions over a spectrogram of 30 s, an encoder, and a decoder of text.

    A sample's length is that of its text.
    """

    LENGTH: ClassVar[str] = "max_target_positions"
    encoder_ffn_dim: Count = 1536
    decoder_ffn_dim: Count = 1536
    num_mel_bins: Count = 80
    max_source_positions: Length = 1500
    max_target_positions: Length = 448

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, texts longer than the position table."""
        return self.stack_faults("max_target_positions", tokens)

    def choices(self) -> dict[str, Any]:
        """Those of two stacks; projections to keys have no biases."""
        rows, bins = self.max_target_positions, self.num_mel_bins
        return super().choices() | {"target_positions": rows, "mel_bins": bins, "key_bias": False}

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
