"""MiMo-V2: windowed layers with heads of their own, sinks in them, and DeepSeek's experts.

Names and defaults are those of ``MiMoV2FlashConfig`` of Transformers 5.24. The first published files write
layers and heads in other keys, which are read as its ``convert_mimo_v2_flash_weights_to_hf.py`` does.
"""

from collections.abc import Mapping
from typing import Any, Self

from workloads.importers.families.base import Count, Whole, rotated, uneven_groups
from workloads.importers.families.dense.llama import SLIDING
from workloads.importers.families.experts.deepseek import RoutedExperts
from workloads.zoo.language.decoder.parts import Heads

EVERY = 6
"""Layers of which one sees all tokens, where a file does not say which."""


class MimoV2(RoutedExperts):
    """MiMo-V2: narrower values than keys, twice the key-value heads in windowed layers."""

    num_key_value_heads: Count = 4
    head_dim: Count = 192
    v_head_dim: Count = 128
    hybrid_layer_pattern: list[Whole] | None = None
    swa_num_attention_heads: Count | None = None
    swa_num_key_value_heads: Count | None = None
    swa_head_dim: Count | None = None
    swa_v_head_dim: Count | None = None
    add_swa_attention_sink_bias: bool = True
    add_full_attention_sink_bias: bool = False

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, nested: bool = False) -> tuple[Self, tuple[str, ...]]:
        """The checked keys; layers are numbers of 0 and 1 in the first files, words in later ones."""
        known = dict(fields)
        pattern, sparse = fields.get("hybrid_layer_pattern"), fields.get("moe_layer_freq")
        if isinstance(pattern, list) and fields.get("layer_types") is None:
            known["layer_types"] = [SLIDING if each == 1 else "full_attention" for each in pattern]
        if isinstance(sparse, list):
            del known["moe_layer_freq"]
            known.setdefault("mlp_layer_types", ["sparse" if each == 1 else "dense" for each in sparse])
        return super().parse(known, nested=nested)

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and other heads in windowed layers than its code has."""
        found, heads = super().faults(tokens), self.num_attention_heads
        if self.swa_num_attention_heads not in {None, heads}:
            found.append(f"swa_num_attention_heads: found {self.swa_num_attention_heads}; expected {heads}")
        return [*found, *uneven_groups("swa_num_key_value_heads", self._local_groups, heads)]

    @property
    def _local_groups(self) -> int:
        return self.swa_num_key_value_heads or 2 * self.num_key_value_heads

    def choices(self) -> dict[str, Any]:
        """Llama's with experts; its heads are those of windowed layers, all others are told apart."""
        found, share = super().choices(), self._rotary_share
        local, window = self._local(), self.sliding_window or 0
        size = self.swa_head_dim or self.head_dim
        full = Heads(
            kv_heads=found["kv_heads"],
            head_size=self.head_dim,
            value_size=self.v_head_dim,
            rotary_size=rotated(self.head_dim, share),
            sinks=self.add_full_attention_sink_bias,
        )
        return found | {
            "kv_heads": self._local_groups,
            "head_size": size,
            "value_size": self.swa_v_head_dim or self.v_head_dim,
            "rotary_size": rotated(size, share),
            "sinks": self.add_swa_attention_sink_bias,
            "full_heads": full,
            "full": tuple(not each for each in local),
            "windows": tuple(window if each else 0 for each in local),
            "bias": False,
            "output_bias": False,
        }

    def _local(self) -> tuple[bool, ...]:
        """Whether each layer has a window."""
        if self.layer_types is not None:
            return tuple(kind == SLIDING for kind in self.layer_types)
        return tuple(n > 0 and (n + 1) % EVERY > 0 for n in range(self.num_hidden_layers))
