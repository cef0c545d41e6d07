"""Llama, and what of the families that follow its layout is more than a table says."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
    Whole,
    rotated,
    uneven_groups,
    uneven_heads,
)

SLIDING = "sliding_attention"
"""The name of windowed layers in ``layer_types``."""


class Llama(Family):
    """Llama and what follows its layout: RMSNorm, rotary positions, gated feed-forward network."""

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
    sliding_window: Whole | None = None
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


class Baichuan(Llama):
    """Baichuan 1 and 2: Llama with fused queries, keys and values; the 13B uses linear position biases.

    Its files give ``model_max_length`` alone; those with rotary positions give ``max_position_embeddings``.
    """

    model_max_length: Length = 4096

    @property
    def longest(self) -> int | None:
        """Longest sequence."""
        return self.max_position_embeddings or self.model_max_length

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases and with the positions that the keys tell."""
        positions = "rotary" if self.max_position_embeddings else "alibi"
        return super().choices() | {"kv_heads": self.num_attention_heads, "positions": positions}


class Apertus(Llama):
    """Apertus: Llama with normalised heads and a plain feed-forward network through xIELU."""

    hidden_act: Function | Literal["xielu"] = "xielu"  # type: ignore[assignment] # one function more

    @property
    def length(self) -> int | None:
        """The file's, or 8,192: its default scaling starts there."""
        said = self.rope_parameters or self.rope_scaling or self.original_max_position_embeddings
        return super().length if said else min(8192, self.max_position_embeddings)


class SmolLm3(Llama):
    """SmolLM 3: Llama that does not rotate by position in every fourth layer."""

    no_rope_layers: list[Whole] | None = None
    no_rope_layer_interval: Count = 4

    @property
    def _rotated(self) -> tuple[bool, ...]:
        """Whether each layer rotates: ones of ``no_rope_layers``, else all but every so-many-th."""
        if self.no_rope_layers:
            return tuple(bool(each) for each in self.no_rope_layers)
        every = self.no_rope_layer_interval
        return tuple((n + 1) % every != 0 for n in range(self.num_hidden_layers))

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and fewer entries than layers."""
        found, layers = super().faults(tokens), self.num_hidden_layers
        if len(self._rotated) != layers:
            found.append(
                f"no_rope_layers: found {len(self._rotated)}; expected one for each of {layers} layers"
            )
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's, rotating in some layers."""
        return super().choices() | {"rotated": self._rotated}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """Layers that do not rotate."""
        return tuple(0 if turned else window for turned in self._rotated)


class Exaone4(Llama):
    """EXAONE 4: OLMo 2's order of normalisations, normalised heads, three windowed layers to one without."""

    sliding_window_pattern: str | Whole | None = 4

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but the last of a pattern, which is a number of layers or a letter for each, ``L`` or ``G``."""
        pattern = self.sliding_window_pattern
        if isinstance(pattern, str):
            return tuple(window if letter == "L" else 0 for letter in pattern) or (0,)
        return (window,) * (pattern - 1) + (0,) if pattern else (0,)
