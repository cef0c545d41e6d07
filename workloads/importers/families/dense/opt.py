"""OPT."""

from typing import Any

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    alias,
    plain_choices,
    too_long,
)

OFFSET = 2
"""Rows of the position table before the first position."""


class Opt(Family):
    """OPT: GPT-2 with ReLU; the 350M embeds narrower than it computes and normalises after its branches."""

    vocab_size: Count
    hidden_size: Count
    ffn_dim: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Length
    word_embed_proj_dim: Count | None = None
    do_layer_norm_before: bool = True
    remove_final_layer_norm: bool = alias("_remove_final_layer_norm", default=False)
    enable_bias: bool = True
    layer_norm_elementwise_affine: bool = True
    activation_function: Function = "relu"
    tie_word_embeddings: bool = True
    dropout: Probability = 0.1

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        return [
            *super().faults(tokens),
            *too_long("max_position_embeddings", self.max_position_embeddings, tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Learned positions, biases, ReLU."""
        width = self.word_embed_proj_dim or self.hidden_size
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.ffn_dim,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "normalization": "layernorm" if self.layer_norm_elementwise_affine else "standardization",
            "post_norm": not self.do_layer_norm_before,
            "final_norm": self.do_layer_norm_before and not self.remove_final_layer_norm,
            "embedding_size": width if width != self.hidden_size else 0,
            "positions": "learned",
            "max_positions": self.max_position_embeddings + OFFSET,
            "bias": self.enable_bias,
            "qkv_bias": self.enable_bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.dropout > 0,
        }
