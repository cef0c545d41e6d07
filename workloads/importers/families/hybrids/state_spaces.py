"""Stacks with Mamba-2 layers in attention's place or beside it: Bamba, Granite 4 and Falcon-H1.

Names and defaults are those of the configuration classes of Transformers 5.24.
"""

from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Whole, alias
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.hybrids.hybrid_kin import ATTENTION, Auto, taking_turns
from workloads.layers.tokens.state_space import StateSpace

LINEAR = frozenset({"linear_attention", "mamba"})


class WithStateSpace(Llama):
    """Llama with Mamba-2 layers in the place of attention or beside it."""

    KINDS: ClassVar[frozenset[str]] = ATTENTION | LINEAR

    mamba_n_heads: Count = 128
    mamba_d_head: Auto = 64
    mamba_n_groups: Count = 1
    mamba_d_state: Count = 256
    mamba_d_conv: Count = 4
    mamba_expand: Count = 2
    mamba_chunk_size: Count = 256
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False

    @property
    def inner(self) -> int:
        """Features of all heads of a mixer."""
        return self.mamba_expand * self.hidden_size

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and heads that do not make up the mixer's features."""
        found, heads, inner = super().faults(tokens), self.mamba_n_heads, self.inner
        if inner % heads:
            found.append(f"mamba_n_heads: found {heads}; expected a divisor of {inner} features")
        elif self.mamba_d_head not in {"auto", inner // heads}:
            found.append(f"mamba_d_head: found {self.mamba_d_head}; expected {inner // heads}, or auto")
        if heads % self.mamba_n_groups:
            found.append(f"mamba_n_groups: found {self.mamba_n_groups}; expected a divisor of {heads} heads")
        return found

    def mixer(self) -> StateSpace:
        """A Mamba-2 layer."""
        return StateSpace(
            heads=self.mamba_n_heads,
            head_size=self.inner // self.mamba_n_heads,
            groups=self.mamba_n_groups,
            state=self.mamba_d_state,
            taps=self.mamba_d_conv,
            chunk=self.mamba_chunk_size,
            bias=self.mamba_proj_bias,
            conv_bias=self.mamba_conv_bias,
        )

    def windows(self) -> tuple[int, ...]:
        """None: layers of attention see all tokens."""
        return ()


class Bamba(WithStateSpace):
    """Bamba: Mamba-2 layers, and some of attention with half of every head rotated."""

    attn_layer_indices: list[Whole] | None = None

    def choices(self) -> dict[str, Any]:
        """Llama's, with layers of two kinds."""
        attends = [n in (self.attn_layer_indices or ()) for n in range(self.num_hidden_layers)]
        return super().choices() | {"mixers": taking_turns(attends, self.mixer())}


class GraniteHybrid(WithStateSpace):
    """Granite 4: Mamba-2 layers and some of attention, experts beside a network that all tokens take."""

    num_local_experts: Whole = 8
    shared_intermediate_size: Whole = 1024
    position_embedding_type: str | None = None
    layer_types: list[str] | None = alias("layer_types", "layers_block_type", default=None)

    def choices(self) -> dict[str, Any]:
        """Granite's, with layers of two kinds; without experts the shared network alone."""
        kinds = self.layer_types or ["mamba"] * self.num_hidden_layers
        found = super().choices() | {
            "positions": "rotary" if self.position_embedding_type == "rope" else "none",
            "mixers": taking_turns([kind in ATTENTION for kind in kinds], self.mixer()),
        }
        if not self.num_local_experts:
            found |= {"experts": None, "ffn": self.shared_intermediate_size}
        return found


class FalconH1(WithStateSpace):
    """Falcon-H1: every layer has attention and a Mamba-2 mixer side by side; multipliers cost nothing."""

    KINDS: ClassVar[frozenset[str]] = Llama.KINDS

    mamba_d_ssm: Count | None = 1024
    mamba_d_head: Auto = "auto"
    mamba_rms_norm: bool = False
    projectors_bias: bool = False

    @property
    def inner(self) -> int:
        """Features of all heads of a mixer."""
        return self.mamba_d_ssm or super().inner

    def choices(self) -> dict[str, Any]:
        """Llama's, with a mixer beside attention."""
        mixer = replace(self.mixer(), out_bias=self.projectors_bias, normed=self.mamba_rms_norm)
        return super().choices() | {"beside": mixer}
