"""GPT-2, GPT-J, GPT-Neo and GPT-NeoX."""

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
    rotated,
    too_long,
    uneven_heads,
)


class Gpt2(Family):
    """GPT-2, GPT-J, GPT-Neo and GPT-NeoX."""

    LENGTH: ClassVar[str] = "n_positions"
    HEADS: ClassVar[tuple[str, str]] = ("n_embd", "n_head")
    vocab_size: Count
    n_positions: Length = alias("n_positions", "max_position_embeddings")
    n_embd: Count = alias("n_embd", "hidden_size")
    n_layer: Count = alias("n_layer", "num_hidden_layers")
    n_head: Count = alias("n_head", "num_attention_heads")
    n_inner: Count | None = None
    activation_function: Function = "gelu_new"
    tie_word_embeddings: bool = True
    resid_pdrop: Probability = 0.1

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        return [
            *super().faults(tokens),
            *too_long("n_positions", self.n_positions, tokens),
        ]

    def choices(self) -> dict[str, Any]:
        """Pre-normalised, learned positions, biases."""
        return plain_choices(self.n_layer, self.n_embd, self.n_head) | {
            "ffn": self.n_inner or 4 * self.n_embd,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "positions": "learned",
            "max_positions": self.n_positions,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
        }


class GptJ(Gpt2):
    """GPT-J: both branches read one normalisation; some features rotated; a bias on the head alone."""

    rotary_dim: Count | None = 64

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads, more features rotated than a head has."""
        found = uneven_heads("n_embd", self.n_embd, self.n_head)
        if (self.rotary_dim or 0) > self.n_embd // self.n_head:
            size = self.n_embd // self.n_head
            found.append(f"rotary_dim: found {self.rotary_dim}; expected at most the {size} of a head")
        return found


KINDS = ("global", "local")


def _pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Repeated = Annotated[tuple[list[str], Count], BeforeValidator(_pair)]
"""Kinds of layers in turn, and how often."""


class GptNeo(Family):
    """GPT-Neo: GPT-2 without biases on queries, keys and values, every other layer with a window."""

    HEADS: ClassVar[tuple[str, str]] = ("hidden_size", "num_heads")
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


class GptNeoX(Family):
    """GPT-NeoX and Pythia: rotary positions, both branches on the same input."""

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Length
    rotary_pct: Probability = 0.25
    hidden_act: Function = "gelu"
    use_parallel_residual: bool = True
    tie_word_embeddings: bool = False
    attention_bias: bool = True
    hidden_dropout: Probability = 0.0

    def choices(self) -> dict[str, Any]:
        """LayerNorm, biases, plain feed-forward network."""
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.hidden_act],
            "parallel_residual": self.use_parallel_residual,
            "positions": "rotary",
            "rotary_size": rotated(self.hidden_size // self.num_attention_heads, self._rotary_share),
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "tied": self.tie_word_embeddings,
            "dropout": self.hidden_dropout > 0,
        }

    @property
    def _rotary_share(self) -> float:
        found = (rope.partial_rotary_factor for rope in (self.rope_parameters, self.rope_scaling) if rope)
        return next((share for share in found if share is not None), self.rotary_pct)
