"""What BART and Whisper share: an encoder and a decoder of their own depths, heads and widths."""

from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Probability,
    alias,
    too_long,
    uneven_heads,
)


class TwoStacks(Family):
    """An encoder and a decoder with tables of positions."""

    POST_NORM: ClassVar[bool] = False

    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    encoder_layers: Count = alias("encoder_layers", "num_hidden_layers")
    decoder_layers: Count
    encoder_attention_heads: Count
    decoder_attention_heads: Count | None = None
    encoder_ffn_dim: Count
    decoder_ffn_dim: Count
    activation_function: Function = "gelu"
    tie_word_embeddings: bool = True
    dropout: Probability = 0.0

    def stack_faults(self, rows: str, tokens: int) -> list[str]:
        """Uneven heads, targets longer than their table of positions, whose key is ``rows``."""
        own = self.decoder_attention_heads or self.encoder_attention_heads
        return [
            *uneven_heads("d_model", self.d_model, self.encoder_attention_heads),
            *uneven_heads("d_model", self.d_model, own),
            *too_long(rows, getattr(self, rows), tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Fields of `EncoderDecoderConfig`, except name, source and tokens."""
        return {
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "hidden": self.d_model,
            "heads": self.encoder_attention_heads,
            "head_size": self.d_model // self.encoder_attention_heads,
            "decoder_heads": self.decoder_attention_heads or 0,
            "ffn": self.encoder_ffn_dim,
            "decoder_ffn": self.decoder_ffn_dim,
            "vocab": self.vocab_size,
            "gated": False,
            "activation": FUNCTIONS[self.activation_function],
            "normalization": "layernorm",
            "post_norm": self.POST_NORM,
            "final_norm": not self.POST_NORM,
            "positions": "learned",
            "bias": True,
            "tied": self.tie_word_embeddings,
            "dropout": self.dropout > 0,
        }
