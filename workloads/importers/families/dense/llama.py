"""Llama and the families that follow its layout: Mistral, Granite, Phi-3, Qwen 2 and 3, InternLM 2, Baichuan.

InternLM 2 and Baichuan are those of their authors' own code (``configuration_internlm2.py``,
``configuration_baichuan.py`` on their model pages).
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    Window,
    alias,
    rotated,
    uneven_groups,
    uneven_heads,
)

SLIDING = "sliding_attention"
"""The name of windowed layers in ``layer_types``."""


class Llama(Family):
    """Llama and what follows its layout: RMSNorm, rotary positions, gated feed-forward network."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
    }

    KINDS: ClassVar[frozenset[str]] = frozenset({SLIDING, "full_attention"})

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    hidden_act: Function = "silu"
    max_position_embeddings: Length
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    attention_dropout: Probability = 0.0
    partial_rotary_factor: Probability = 1.0
    sliding_window: Window | None = None
    use_sliding_window: bool = True
    layer_types: list[str] | None = None

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads, kinds of layers that are not known or fewer than the layers."""
        heads = self.num_attention_heads
        found = [] if self.head_dim else uneven_heads("hidden_size", self.hidden_size, heads)
        return [
            *found,
            *uneven_groups("num_key_value_heads", self.num_key_value_heads or heads, heads),
            *self._layer_faults(),
        ]

    def _layer_faults(self) -> Iterator[str]:
        kinds = self.layer_types
        if kinds is None:
            return
        if len(kinds) != self.num_hidden_layers:
            yield f"layer_types: found {len(kinds)}; expected one for each of {self.num_hidden_layers} layers"
        for kind in dict.fromkeys(kinds):
            if kind not in self.KINDS:
                yield f"layer_types: found {kind!r}; expected {' or '.join(sorted(self.KINDS))}"

    def choices(self) -> dict[str, Any]:
        """As in Llama; families that differ change single entries."""
        heads = self.num_attention_heads
        size = self.head_dim or self.hidden_size // heads
        return {
            "layers": self.num_hidden_layers,
            "hidden": self.hidden_size,
            "heads": heads,
            "kv_heads": self.num_key_value_heads or heads,
            "head_size": size,
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "gated": True,
            "activation": FUNCTIONS[self.hidden_act],
            "normalization": "rmsnorm",
            "positions": "rotary",
            "rotary_size": rotated(size, self._rotary_share),
            "windows": self.windows(),
            "bias": self.mlp_bias,
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "tied": self.tie_word_embeddings,
            "dropout": False,
            "attention_dropout": self.attention_dropout > 0,
        }

    @property
    def _rotary_share(self) -> float:
        found = (rope.partial_rotary_factor for rope in (self.rope_parameters, self.rope_scaling) if rope)
        return next((share for share in found if share is not None), self.partial_rotary_factor)

    def windows(self) -> tuple[int, ...]:
        """Keys that a query meets at most, layers taking turns; () for all everywhere."""
        if not self.sliding_window or not self.use_sliding_window:
            return ()
        if self.layer_types is None:
            return self.default_windows(self.sliding_window)
        return tuple(self.sliding_window if kind == SLIDING else 0 for kind in self.layer_types)

    def default_windows(self, window: int) -> tuple[int, ...]:
        """Windows where the file does not say which layers have one: all."""
        return (window,)


class Mistral(Llama):
    """Mistral: Llama with a window, grouped queries and no biases."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "intermediate_size": 14336,
        "max_position_embeddings": 131072,
    }

    num_key_value_heads: Count | None = 8
    sliding_window: Window | None = 4096

    def choices(self) -> dict[str, Any]:
        """Llama's without biases, whatever the file says of them."""
        return super().choices() | {"bias": False, "qkv_bias": False, "output_bias": False}


class Granite(Llama):
    """Granite: Llama with multipliers of embeddings, scores, branches and logits, which cost nothing."""


class Phi3(Mistral):
    """Phi-3: Mistral's layout with an optional window, some features rotated in Phi-4-mini."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 32064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "max_position_embeddings": 4096,
    }

    num_key_value_heads: Count | None = None
    sliding_window: Window | None = None


class Qwen2(Llama):
    """Qwen 2 and 2.5: Llama with biases on queries, keys and values."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 151936,
        "intermediate_size": 22016,
        "max_position_embeddings": 32768,
    }

    num_key_value_heads: Count | None = 32
    use_sliding_window: bool = False
    sliding_window: Window | None = 4096
    max_window_layers: Window = 28

    def choices(self) -> dict[str, Any]:
        """Llama's, with a query-key-value bias and no other."""
        return super().choices() | {"bias": False, "qkv_bias": True, "output_bias": False}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """Layers from ``max_window_layers`` on."""
        full = min(self.max_window_layers, self.num_hidden_layers)
        return (0,) * full + (window,) * (self.num_hidden_layers - full)


class Qwen3(Qwen2):
    """Qwen 3: Llama with normalised queries and keys."""

    head_dim: Count = 128

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised heads."""
        bias = self.attention_bias
        return super().choices() | {"qk_norm": "head", "qkv_bias": bias, "output_bias": bias}


class InternLm2(Llama):
    """InternLM 2: Llama with one bias switch for attention."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {**Llama.DIMENSIONS, "vocab_size": 103168}

    attention_bias: bool = alias("bias", default=True)

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases in the feed-forward network."""
        return super().choices() | {"bias": False}


class Baichuan(Llama):
    """Baichuan 1 and 2: Llama with fused queries, keys and values; the 13B uses linear position biases.

    Its files give ``model_max_length`` alone; those with rotary positions give ``max_position_embeddings``.
    """

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        key: value for key, value in Llama.DIMENSIONS.items() if key != "max_position_embeddings"
    } | {"vocab_size": 64000}

    max_position_embeddings: Length = 0
    model_max_length: Length = 4096

    @property
    def longest(self) -> int | None:
        """Longest sequence."""
        return self.max_position_embeddings or self.model_max_length

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases and with the positions that the keys tell."""
        positions = "rotary" if self.max_position_embeddings else "alibi"
        return super().choices() | {
            "bias": False,
            "qkv_bias": False,
            "output_bias": False,
            "kv_heads": self.num_attention_heads,
            "positions": positions,
        }
