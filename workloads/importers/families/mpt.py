"""MPT."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

from workloads.importers.families.base import Family, Probability, plain_choices, uneven_heads


class MptAttention(BaseModel):
    """The `attn_config` object of an MPT."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    alibi: bool = False
    qk_ln: Literal[False] = False
    kv_n_heads: PositiveInt | None = None


class Mpt(Family):
    """MPT: learned positions or linear biases, tied head, biases optional."""

    vocab_size: PositiveInt
    d_model: PositiveInt
    n_heads: PositiveInt
    n_layers: PositiveInt
    expansion_ratio: PositiveInt = 4
    max_seq_len: PositiveInt
    learned_pos_emb: bool = True
    no_bias: bool = True
    resid_pdrop: Probability = 0.0
    attn_config: MptAttention = MptAttention()

    @property
    def length(self) -> int | None:
        """Longest sequence."""
        return self.max_seq_len

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        found = uneven_heads("d_model", self.d_model, self.n_heads)
        if self._positions == "learned" and tokens > self.max_seq_len:
            found.append(
                f"max_seq_len: found {self.max_seq_len}; expected at least the {tokens} tokens of a sample"
            )
        return found

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
            "tied": True,
            "dropout": self.resid_pdrop > 0,
        }
