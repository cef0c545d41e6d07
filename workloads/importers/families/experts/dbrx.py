"""DBRX."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from workloads.importers.families.base import Count, Family, Length, Probability, alias, uneven_groups
from workloads.zoo.language.decoder.parts import Experts


class DbrxAttention(BaseModel):
    """The `attn_config` object of a DBRX."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    kv_n_heads: Count = 1
    attn_pdrop: Probability = 0.0


class DbrxNetwork(BaseModel):
    """The `ffn_config` object of a DBRX."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    ffn_hidden_size: Count = 3584
    moe_num_experts: Count = 4
    moe_top_k: Count = 1


class Dbrx(Family):
    """DBRX: LayerNorm without shift, grouped queries, gated experts in every layer."""

    LENGTH: ClassVar[str] = "max_seq_len"
    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    n_heads: Count = alias("n_heads", "num_attention_heads")
    n_layers: Count = alias("n_layers", "num_hidden_layers")
    max_seq_len: Length = alias("max_seq_len", "max_position_embeddings")
    tie_word_embeddings: bool = False
    resid_pdrop: Probability = 0.0
    attn_config: DbrxAttention = DbrxAttention()
    ffn_config: DbrxNetwork = DbrxNetwork()

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return [
            *uneven_groups("n_heads", self.n_heads, self.d_model),
            *uneven_groups("attn_config.kv_n_heads", self.attn_config.kv_n_heads, self.n_heads),
        ]

    def choices(self) -> dict[str, Any]:
        """Gated experts behind LayerNorm."""
        network = self.ffn_config
        return {
            "layers": self.n_layers,
            "hidden": self.d_model,
            "heads": self.n_heads,
            "kv_heads": self.attn_config.kv_n_heads,
            "head_size": self.d_model // self.n_heads,
            "ffn": network.ffn_hidden_size,
            "vocab": self.vocab_size,
            "gated": True,
            "activation": "silu",
            "normalization": "layernorm",
            "norm_shift": False,
            "positions": "rotary",
            "bias": False,
            "qkv_bias": False,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
            "attention_dropout": self.attn_config.attn_pdrop > 0,
            "experts": Experts(
                count=network.moe_num_experts, chosen=network.moe_top_k, ffn=network.ffn_hidden_size
            ),
        }
