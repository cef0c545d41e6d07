"""ChatGLM 1 to 3 and GLM-4 in their authors' own code (``configuration_chatglm.py`` of the model pages)."""

from typing import Any, ClassVar

from workloads.importers.families.base import (
    Count,
    Family,
    Length,
    Probability,
    alias,
    plain_choices,
    uneven_groups,
    uneven_heads,
)


class ChatGlm(Family):
    """ChatGLM: version 1 (tied, LayerNorm, own key ``inner_hidden_size``) and the RMSNorm ones after it."""

    LENGTH: ClassVar[str] = "seq_length"
    num_layers: Count
    hidden_size: Count
    num_attention_heads: Count = 32
    padded_vocab_size: Count = alias("padded_vocab_size", "vocab_size", default=65024)
    seq_length: Length = alias("seq_length", "max_sequence_length", default=2048)
    ffn_hidden_size: Count = 13696
    inner_hidden_size: Count | None = None
    kv_channels: Count = 128
    multi_query_attention: bool = False
    multi_query_group_num: Count = 1
    add_bias_linear: bool = False
    add_qkv_bias: bool = False
    rmsnorm: bool = True
    post_layer_norm: bool = True
    tie_word_embeddings: bool = False
    hidden_dropout: Probability = 0.0

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        if self.inner_hidden_size:
            return uneven_heads("hidden_size", self.hidden_size, self.num_attention_heads)
        return uneven_groups("multi_query_group_num", self._groups, self.num_attention_heads)

    @property
    def _groups(self) -> int:
        return self.multi_query_group_num if self.multi_query_attention else self.num_attention_heads

    def choices(self) -> dict[str, Any]:
        """Of the version that the keys tell."""
        plain = plain_choices(self.num_layers, self.hidden_size, self.num_attention_heads)
        common = {
            "vocab": self.padded_vocab_size,
            "positions": "rotary",
            "final_norm": self.post_layer_norm,
            "dropout": self.hidden_dropout > 0,
        }
        if self.inner_hidden_size:
            return plain | common | {"ffn": self.inner_hidden_size, "activation": "gelu", "tied": True}
        return (
            plain
            | common
            | {
                "kv_heads": self._groups,
                "head_size": self.kv_channels,
                "rotary_size": self.kv_channels // 2,
                "ffn": self.ffn_hidden_size,
                "gated": True,
                "activation": "silu",
                "normalization": "rmsnorm" if self.rmsnorm else "layernorm",
                "bias": self.add_bias_linear,
                "qkv_bias": self.add_bias_linear or self.add_qkv_bias,
                "tied": self.tie_word_embeddings,
            }
        )
