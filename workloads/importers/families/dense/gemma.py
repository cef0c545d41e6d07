"""Gemma 1, 2 and 3: wide heads, a GELU gate and a tied head; windows in turns from Gemma 2 on."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workloads.importers.families.base import Count, Function, Probability, Window, alias
from workloads.importers.families.dense.llama import Llama

Cap = Annotated[float, Field(ge=0, le=1e6)]


class Gemma(Llama):
    """Gemma 1: Llama with its own head size, a GELU gate and a tied head.

    Its first files say ``gelu`` where the model computes the tanh form, which costs the same here.
    """

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 3072,
        "intermediate_size": 24576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "max_position_embeddings": 8192,
    }

    num_key_value_heads: Count = 16
    head_dim: Count = 256
    hidden_act: Function = alias("hidden_activation", "hidden_act", default="gelu_pytorch_tanh")
    tie_word_embeddings: bool = True

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases in the feed-forward network."""
        return super().choices() | {"bias": False}


class Gemma2(Gemma):
    """Gemma 2: normalised branches, soft caps, every other layer with a window."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "max_position_embeddings": 8192,
    }

    num_key_value_heads: Count = 4
    sliding_window: Window | None = 4096
    attn_logit_softcapping: Cap | None = 50.0
    final_logit_softcapping: Cap | None = 30.0

    def choices(self) -> dict[str, Any]:
        """Gemma's, with normalised branches and caps."""
        return super().choices() | {
            "branch_norm": True,
            "score_cap": self.attn_logit_softcapping or 0.0,
            "logit_cap": self.final_logit_softcapping or 0.0,
        }

    def default_windows(self, window: int) -> tuple[int, ...]:
        """The first of two layers."""
        return window, 0


class Gemma3(Gemma2):
    """Gemma 3 (its text part): normalised heads instead of caps, five windowed layers to one without."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Gemma2.DIMENSIONS,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
    }

    attn_logit_softcapping: Cap | None = None
    final_logit_softcapping: Cap | None = None
    sliding_window_pattern: Count = alias("sliding_window_pattern", "_sliding_window_pattern", default=6)
    attention_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """Gemma 2's, with normalised heads."""
        return super().choices() | {"qk_norm": "head"}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but the last of ``sliding_window_pattern`` layers."""
        return (window,) * (self.sliding_window_pattern - 1) + (0,)
