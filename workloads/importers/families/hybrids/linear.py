"""Stacks whose other layers attend linearly: MiniMax-01 and Kimi Linear.

Names and defaults are those of Transformers 5.24 (``MiniMaxConfig``, ``KimiLinearConfig``) and of the files
on the model pages.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from workloads.importers.families.base import Count, Length, Whole, alias
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.experts.deepseek import DeepseekV3
from workloads.importers.families.hybrids.hybrid_kin import ATTENTION, taking_turns
from workloads.layers.tokens.delta_rule import DeltaRule
from workloads.layers.tokens.lightning import LightningAttention

KINDS = frozenset({"linear_attention", "full_attention"})


class MiniMax(Llama):
    """MiniMax-01 (text): lightning attention, softmax attention in some layers, experts in all."""

    KINDS: ClassVar[frozenset[str]] = KINDS

    num_local_experts: Count = alias("num_local_experts", "num_experts", default=8)
    num_experts_per_tok: Count = 2
    block_size: Count = 256
    attn_type_list: list[int] | None = None

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and kinds of layers for another number of them."""
        found, layers = super().faults(tokens), self.num_hidden_layers
        if self.attn_type_list is not None and len(self.attn_type_list) != layers:
            found.append(
                f"attn_type_list: found {len(self.attn_type_list)}; expected one for each of {layers} layers"
            )
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's, with layers of two kinds and experts."""
        heads = self.num_attention_heads
        mixer = LightningAttention(
            heads=heads, head_size=self.head_dim or self.hidden_size // heads, block=self.block_size
        )
        return super().choices() | {
            "mixers": taking_turns(self._attends(), mixer),
        }

    def _attends(self) -> list[bool]:
        """Whether each layer attends to all tokens: said in words, in numbers, or every other."""
        if self.layer_types is not None:
            return [kind in ATTENTION for kind in self.layer_types]
        if self.attn_type_list is not None:
            return [bool(kind) for kind in self.attn_type_list]
        return [n % 2 == 0 for n in range(self.num_hidden_layers)]

    def windows(self) -> tuple[int, ...]:
        """None: layers of attention see all tokens."""
        return ()


class KimiLinear(DeepseekV3):
    """Kimi Linear: delta-rule layers that forget by feature, latent attention in some, V3's experts."""

    KINDS: ClassVar[frozenset[str]] = KINDS

    max_position_embeddings: Length = alias("model_max_length", "max_position_embeddings")
    n_routed_experts: Whole | None = alias(
        "num_experts", "num_local_experts", "n_routed_experts", default=256
    )
    n_shared_experts: Whole | None = alias("num_shared_experts", "n_shared_experts", default=1)
    num_experts_per_tok: Count | None = alias("num_experts_per_token", "num_experts_per_tok", default=8)
    n_group: Count | None = alias("num_expert_group", "n_group", default=1)
    linear_head_dim: Count = 128
    linear_num_heads: Count = 32
    linear_conv_kernel_dim: Count = 4
    linear_attn_config: dict[str, Any] | None = None

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, nested: bool = False) -> tuple[Self, tuple[str, ...]]:
        """The checked keys; those of delta-rule layers may stand in a table of their own."""
        table = fields.get("linear_attn_config")
        if isinstance(table, dict):
            names = {
                "head_dim": "linear_head_dim",
                "num_heads": "linear_num_heads",
                "short_conv_kernel_size": "linear_conv_kernel_dim",
            }
            fields = {**fields, **{name: table[key] for key, name in names.items() if key in table}}
        return super().parse(fields, nested=nested)

    def faults(self, tokens: int) -> list[str]:
        """DeepSeek's, and layers of kinds that are not known or fewer than there are."""
        return [*super().faults(tokens), *self._layer_faults()]

    def choices(self) -> dict[str, Any]:
        """DeepSeek V3's, with layers of two kinds."""
        mixer = DeltaRule(
            key_heads=self.linear_num_heads,
            key_size=self.linear_head_dim,
            value_heads=self.linear_num_heads,
            value_size=self.linear_head_dim,
            taps=self.linear_conv_kernel_dim,
            gate_rank=self.linear_head_dim,
        )
        return super().choices() | {"mixers": taking_turns(self._attends(), mixer)}

    def _attends(self) -> list[bool]:
        """Whether each layer attends: in words, by the table (from 1 on), or every fourth but the first."""
        layers = range(self.num_hidden_layers)
        among = (self.linear_attn_config or {}).get("full_attn_layers")
        if self.layer_types is not None:
            return [kind in ATTENTION for kind in self.layer_types]
        if isinstance(among, list):
            return [n + 1 in among for n in layers]
        return [n > 0 and n % 4 == 0 for n in layers]
