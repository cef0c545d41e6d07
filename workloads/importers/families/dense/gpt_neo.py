"""GPT-Neo."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

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

KINDS = ("global", "local")


def _pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Repeated = Annotated[tuple[list[str], Count], BeforeValidator(_pair)]
"""Kinds of layers in turn, and how often."""


class GptNeo(Family):
    """GPT-Neo: GPT-2 without biases on queries, keys and values, every other layer with a window."""

    HEADS: ClassVar[tuple[str, str]] = ("hidden_size", "num_heads")
    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50257,
        "max_position_embeddings": 2048,
        "hidden_size": 2048,
        "num_layers": 24,
        "num_heads": 16,
    }

    vocab_size: Count
    max_position_embeddings: Length
    hidden_size: Count
    num_layers: Count = alias("num_layers", "num_hidden_layers")
    num_heads: Count = alias("num_heads", "num_attention_heads")
    attention_types: list[Repeated] | None = None
    window_size: Count = 256
    intermediate_size: Count | None = None
    activation_function: Function = "gelu_new"
    tie_word_embeddings: bool = True
    resid_dropout: Probability = 0.0

    def _kinds(self) -> list[str]:
        if self.attention_types is None:
            return [KINDS[layer % 2] for layer in range(self.num_layers)]
        return [kind for kinds, count in self.attention_types for kind in kinds * min(count, self.num_layers)]

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table, other kinds of layers than there are."""
        kinds = self._kinds()
        found = [
            f"attention_types: found {kind!r}; expected one of {', '.join(KINDS)}"
            for kind in dict.fromkeys(kinds)
            if kind not in KINDS
        ]
        if len(kinds) != self.num_layers:
            found.append(
                f"attention_types: found {len(kinds)}; expected one for each of {self.num_layers} layers"
            )
        return [
            *super().faults(tokens),
            *too_long("max_position_embeddings", self.max_position_embeddings, tokens),
            *found,
        ]

    def choices(self) -> dict[str, Any]:
        """Learned positions, biases but on queries, keys and values."""
        return plain_choices(self.num_layers, self.hidden_size, self.num_heads) | {
            "ffn": self.intermediate_size or 4 * self.hidden_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "positions": "learned",
            "max_positions": self.max_position_embeddings,
            "windows": tuple(self.window_size if kind == "local" else 0 for kind in self._kinds()),
            "qkv_bias": False,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_dropout > 0,
        }
