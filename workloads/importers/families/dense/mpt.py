"""MPT."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from workloads.importers.families.base import (
    Count,
    Family,
    Length,
    Probability,
    alias,
    plain_choices,
    too_long,
)


class MptAttention(BaseModel):
    """The `attn_config` object of an MPT."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    alibi: bool = True
    qk_ln: Literal[False] = False
    kv_n_heads: Count | None = None


class Mpt(Family):
    """MPT: learned positions or linear biases, tied head, biases optional."""

    LENGTH: ClassVar[str] = "max_seq_len"
    HEADS: ClassVar[tuple[str, str]] = ("d_model", "n_heads")
    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    n_heads: Count = alias("n_heads", "num_attention_heads")
    n_layers: Count = alias("n_layers", "num_hidden_layers")
    expansion_ratio: Count = 4
    max_seq_len: Length = alias("max_seq_len", "max_position_embeddings")
    learned_pos_emb: bool = True
    no_bias: bool = True
    tie_word_embeddings: bool = True
    resid_pdrop: Probability = 0.0
    attn_config: MptAttention = MptAttention()

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        learned = self._positions == "learned"
        return [
            *super().faults(tokens),
            *(too_long("max_seq_len", self.max_seq_len, tokens) if learned else ()),
        ]

    @property
    def _positions(self) -> str:
        if self.attn_config.alibi:
            return "alibi"
        return "learned" if self.learned_pos_emb else "none"

    def choices(self) -> dict[str, Any]:
        """LayerNorm (scale only without biases), GELU."""
        bias = not self.no_bias
        return plain_choices(self.n_layers, self.d_model, self.n_heads) | {
            "kv_heads": self.attn_config.kv_n_heads or self.n_heads,
            "ffn": self.expansion_ratio * self.d_model,
            "vocab": self.vocab_size,
            "activation": "gelu",
            "norm_shift": bias,
            "positions": self._positions,
            "max_positions": self.max_seq_len,
            "bias": bias,
            "qkv_bias": bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
        }
