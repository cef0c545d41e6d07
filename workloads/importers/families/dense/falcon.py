"""Falcon: 7B (one normalisation, multi-query), 40B and 180B (two, grouped queries), RW (not parallel)."""

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
    uneven_groups,
)


class Falcon(Family):
    """Falcon in all its block forms; also as its first files wrote it (``RefinedWeb``)."""

    vocab_size: Count
    hidden_size: Count = alias("hidden_size", "n_embed")
    num_hidden_layers: Count = alias("num_hidden_layers", "n_layer")
    num_attention_heads: Count = alias("num_attention_heads", "n_head")
    num_kv_heads: Count | None = alias("num_kv_heads", "n_head_kv", default=None)
    num_ln_in_parallel_attn: Count | None = None
    ffn_hidden_size: Count | None = None
    max_position_embeddings: Length = 2048
    activation: Function = "gelu"
    alibi: bool = False
    new_decoder_architecture: bool | None = None
    multi_query: bool = True
    parallel_attn: bool = True
    bias: bool = False
    tie_word_embeddings: bool = True
    hidden_dropout: Probability = 0.0
    attention_dropout: Probability = 0.0

    @property
    def _grouped(self) -> bool:
        """The newer block."""
        return bool(self.new_decoder_architecture)

    @property
    def _key_value_heads(self) -> int:
        if self._grouped:
            return self.num_kv_heads or self.num_attention_heads
        return 1 if self.multi_query else self.num_attention_heads

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads."""
        groups = uneven_groups("num_kv_heads", self._key_value_heads, self.num_attention_heads)
        return [*super().faults(tokens), *groups]

    def choices(self) -> dict[str, Any]:
        """LayerNorm, plain feed-forward network, parallel branches in all but RW."""
        norms = self.num_ln_in_parallel_attn or (2 if self._grouped else 1)
        parallel = self.parallel_attn or self._grouped
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "kv_heads": self._key_value_heads,
            "ffn": self.ffn_hidden_size or 4 * self.hidden_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation],
            "parallel_residual": parallel,
            "shared_norm": parallel and norms == 1,
            "positions": "alibi" if self.alibi else "rotary",
            "bias": self.bias,
            "qkv_bias": self.bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.hidden_dropout > 0 or self.attention_dropout > 0,
        }


class RefinedWeb(Falcon):
    """Falcon's first files; that of the 40B says the newer block by its key-value heads alone."""

    @property
    def _grouped(self) -> bool:
        if self.new_decoder_architecture is None:
            return self.num_kv_heads is not None and not self.multi_query
        return self.new_decoder_architecture
