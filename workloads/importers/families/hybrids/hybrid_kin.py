"""Stacks with other layers in attention's place: Qwen3-Next and 3.5, Jamba and LFM2.

Names and defaults are those of the configuration classes of Transformers 5.24. Vectors that balance the
choice of experts are counted although Transformers keeps them as buffers.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workloads.importers.families.base import Count, Whole, alias
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.experts.mixtures import QwenExperts
from workloads.layers.tokens.delta_rule import DeltaRule
from workloads.layers.tokens.gated_convolution import GatedConvolution
from workloads.layers.tokens.selective_scan import SelectiveScan
from workloads.zoo.language.decoder.parts import Experts, Mixer

ATTENTION = frozenset({"attention", "full_attention"})
Auto = Annotated[int, Field(gt=0, le=10**9)] | Literal["auto"]


def taking_turns(kinds: list[bool], mixer: Mixer) -> tuple[Mixer | None, ...]:
    """The mixer where a layer has no attention."""
    return tuple(None if attends else mixer for attends in kinds)


class Qwen35(Llama):
    """Qwen 3.5: three gated delta-rule layers to one of attention, whose heads are normalised and gated."""

    KINDS: ClassVar[frozenset[str]] = frozenset({"linear_attention", "full_attention"})

    full_attention_interval: Count = 4
    linear_conv_kernel_dim: Count = 4
    linear_key_head_dim: Count = 128
    linear_value_head_dim: Count = 128
    linear_num_key_heads: Count = 16
    linear_num_value_heads: Count = 32

    def choices(self) -> dict[str, Any]:
        """Llama's, with layers of two kinds."""
        layers = self.num_hidden_layers
        kinds = self.layer_types or [
            "linear_attention" if (n + 1) % self.full_attention_interval else "full_attention"
            for n in range(layers)
        ]
        mixer = DeltaRule(
            key_heads=self.linear_num_key_heads,
            key_size=self.linear_key_head_dim,
            value_heads=self.linear_num_value_heads,
            value_size=self.linear_value_head_dim,
            taps=self.linear_conv_kernel_dim,
        )
        return super().choices() | {
            "mixers": taking_turns([kind in ATTENTION for kind in kinds], mixer),
        }

    def windows(self) -> tuple[int, ...]:
        """None: layers of attention see all tokens."""
        return ()


class Qwen35Moe(QwenExperts):
    """Qwen 3.5 with experts in all layers, and a network that all tokens take."""

    def sparse(self) -> tuple[bool, ...]:
        """All layers have experts."""
        return ()


class Jamba(Llama):
    """Jamba: Mamba layers of the first kind, attention without positions and experts, each in turns."""

    num_experts: Count = alias("num_experts", "num_local_experts", default=16)
    num_experts_per_tok: Count = 2
    expert_layer_period: Count = 2
    expert_layer_offset: Whole = 1
    attn_layer_period: Count = 8
    attn_layer_offset: Whole = 4
    mamba_d_state: Count = 16
    mamba_d_conv: Count = 4
    mamba_expand: Count = 2
    mamba_dt_rank: Auto = "auto"
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and offsets that no layer has."""
        found = super().faults(tokens)
        for what in ("attn", "expert"):
            offset, period = getattr(self, f"{what}_layer_offset"), getattr(self, f"{what}_layer_period")
            if offset >= period:
                found.append(
                    f"{what}_layer_offset: found {offset}; expected less than the period of {period}"
                )
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's heads and network, with layers of two kinds and experts in some."""
        layers = range(self.num_hidden_layers)
        rank = -(-self.hidden_size // 16) if self.mamba_dt_rank == "auto" else self.mamba_dt_rank
        mixer = SelectiveScan(
            inner=self.mamba_expand * self.hidden_size,
            state=self.mamba_d_state,
            rank=rank,
            taps=self.mamba_d_conv,
            bias=self.mamba_proj_bias,
            conv_bias=self.mamba_conv_bias,
            normalised=True,
        )
        attends = [n % self.attn_layer_period == self.attn_layer_offset for n in layers]
        sparse = tuple(n % self.expert_layer_period == self.expert_layer_offset for n in layers)
        experts = Experts(
            count=self.num_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.intermediate_size,
            sparse=sparse,
        )
        return (
            super().choices()
            | {
                "mixers": taking_turns(attends, mixer),
            }
            | ({"experts": experts} if self.num_experts > 1 else {})
        )


class Lfm2(Llama):
    """LFM2: gated short convolutions, and attention with normalised heads in some layers."""

    KINDS: ClassVar[frozenset[str]] = frozenset({"conv", "full_attention"})

    intermediate_size: Count = alias("block_ff_dim", "intermediate_size")
    tie_word_embeddings: bool = alias("tie_embedding", "tie_word_embeddings", default=True)
    conv_L_cache: Count = 3  # noqa: N815 - the file's name
    conv_bias: bool = False
    block_auto_adjust_ff_dim: bool = True
    block_multiple_of: Count = 256
    block_ffn_dim_multiplier: Annotated[float, Field(gt=0, le=1000)] | None = 1.0
    full_attn_idxs: list[Whole] | None = None

    @property
    def width(self) -> int:
        """Features inside the feed-forward network: two thirds of what is said, rounded up."""
        if not self.block_auto_adjust_ff_dim:
            return self.intermediate_size
        width = int(2 * self.intermediate_size / 3)
        if self.block_ffn_dim_multiplier is None:
            return width
        multiple = self.block_multiple_of
        return -(-int(self.block_ffn_dim_multiplier * width) // multiple) * multiple

    def choices(self) -> dict[str, Any]:
        """Llama's, with layers of two kinds."""
        layers = range(self.num_hidden_layers)
        among = layers if self.full_attn_idxs is None else self.full_attn_idxs
        kinds = self.layer_types or ["full_attention" if n in among else "conv" for n in layers]
        mixer = GatedConvolution(taps=self.conv_L_cache, bias=self.conv_bias)
        return super().choices() | {
            "ffn": self.width,
            "mixers": taking_turns([kind in ATTENTION for kind in kinds], mixer),
        }

    def windows(self) -> tuple[int, ...]:
        """None: layers of attention see all tokens."""
        return ()
