"""Llama and the families that follow its layout: Mistral, Phi-3, Qwen 2 and 3, Gemma 1."""

from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from workloads.importers.families.base import FUNCTIONS, Family, Function, Probability, uneven_heads


class Llama(Family):
    """Llama and what follows its layout: RMSNorm, rotary positions, gated feed-forward network."""

    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    hidden_act: Function = "silu"
    max_position_embeddings: PositiveInt
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    attention_dropout: Probability = 0.0
    sliding_window: NonNegativeInt | None = None
    use_sliding_window: bool = True
    rope_scaling: dict[str, Any] | None = None

    @property
    def length(self) -> int | None:
        """Pre-training length: before rotary scaling where the file says it, otherwise the maximum."""
        original = (self.rope_scaling or {}).get("original_max_position_embeddings")
        return original if isinstance(original, int) and original > 0 else self.max_position_embeddings

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        found = (
            [] if self.head_dim else uneven_heads("hidden_size", self.hidden_size, self.num_attention_heads)
        )
        heads = self.num_key_value_heads
        if heads and self.num_attention_heads % heads:
            found.append(
                f"num_key_value_heads: found {heads}; expected a divisor of {self.num_attention_heads} heads"
            )
        return found

    def choices(self) -> dict[str, Any]:
        """As in Llama; families that differ change single entries."""
        heads = self.num_attention_heads
        return {
            "layers": self.num_hidden_layers,
            "hidden": self.hidden_size,
            "heads": heads,
            "kv_heads": self.num_key_value_heads or heads,
            "head_size": self.head_dim or self.hidden_size // heads,
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "gated": True,
            "activation": FUNCTIONS[self.hidden_act],
            "normalization": "rmsnorm",
            "positions": "rotary",
            "windows": (self.sliding_window,) if self.sliding_window and self.use_sliding_window else (),
            "bias": self.mlp_bias,
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.attention_dropout > 0,
        }


class Qwen2(Llama):
    """Qwen 2 and 2.5: Llama with biases on queries, keys and values."""

    use_sliding_window: bool = False

    def choices(self) -> dict[str, Any]:
        """Llama's, with a query-key-value bias."""
        return super().choices() | {"qkv_bias": True}


class Qwen3(Llama):
    """Qwen 3: Llama with normalised queries and keys."""

    head_dim: PositiveInt | None = 128
    use_sliding_window: bool = False

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised heads."""
        return super().choices() | {"qk_norm": "head"}


class Gemma(Llama):
    """Gemma 1: Llama with its own head size, a GELU gate and a tied head."""

    head_dim: PositiveInt | None = 256
    hidden_act: Function = "gelu_pytorch_tanh"
    tie_word_embeddings: bool = True
