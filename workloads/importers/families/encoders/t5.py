"""T5, and its 1.1 and Flan versions."""

from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import FUNCTIONS, Count, Family, Length, Probability, alias
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

TARGET = 4
"""Source tokens to one target token in pre-training (512 and 128)."""


class T5(Family):
    """T5: an encoder and a decoder with relative positions; a sample's length is that of its source."""

    LENGTH: ClassVar[str] = "n_positions"
    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    d_kv: Count = 64
    d_ff: Count = 2048
    num_layers: Count = alias("num_layers", "num_hidden_layers")
    num_decoder_layers: Count | None = None
    num_heads: Count = alias("num_heads", "num_attention_heads")
    n_positions: Length = 512
    relative_attention_num_buckets: Count = 32
    feed_forward_proj: str = "relu"
    tie_word_embeddings: bool = True
    dropout_rate: Probability = 0.1

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Unknown functions."""
        if self._function in FUNCTIONS:
            return []
        known = ", ".join(FUNCTIONS)
        found = f"feed_forward_proj: found {self.feed_forward_proj!r}"
        return [f"{found}; expected one of {known}, or gated- and one of them"]

    @property
    def _function(self) -> str:
        return self.feed_forward_proj.removeprefix("gated-")

    def choices(self) -> dict[str, Any]:
        """Fields of `EncoderDecoderConfig`, except name, source and tokens."""
        return {
            "encoder_layers": self.num_layers,
            "decoder_layers": self.num_decoder_layers or self.num_layers,
            "hidden": self.d_model,
            "heads": self.num_heads,
            "head_size": self.d_kv,
            "ffn": self.d_ff,
            "vocab": self.vocab_size,
            "gated": self.feed_forward_proj.startswith("gated-"),
            "activation": FUNCTIONS[self._function],
            "normalization": "rmsnorm",
            "post_norm": False,
            "final_norm": True,
            "positions": "relative",
            "buckets": self.relative_attention_num_buckets,
            "bias": False,
            "tied": self.tie_word_embeddings,
            "dropout": self.dropout_rate > 0,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Both stacks, for a source of ``tokens`` and a target of a quarter of it."""
        target = max(1, tokens // TARGET)
        config = EncoderDecoderConfig(
            name=name, source=source, source_tokens=tokens, target_tokens=target, **self.choices()
        )
        said = f"network {name}: a sample is {tokens:,} source tokens and {target:,} target tokens"
        return replace(build_encoder_decoder(config), notes=(said,))
