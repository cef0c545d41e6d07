"""Falcon-H1: state-space layers beside attention.

Names and defaults are those of Transformers 5.24 (``FalconH1Config``).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.hybrids.hybrid_kin import Auto
from workloads.layers.tokens.state_space import StateSpace


class FalconH1(Llama):
    """Falcon-H1: every layer has attention and a Mamba-2 mixer side by side; multipliers cost nothing."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 8192,
    }

    num_key_value_heads: Count | None = 8
    mamba_d_ssm: Count | None = 1024
    mamba_n_heads: Count = 128
    mamba_d_head: Auto = "auto"
    mamba_n_groups: Count = 1
    mamba_d_state: Count = 256
    mamba_d_conv: Count = 4
    mamba_expand: Count = 2
    mamba_chunk_size: Count = 256
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False
    mamba_rms_norm: bool = False
    projectors_bias: bool = False

    @property
    def inner(self) -> int:
        """Features of all heads of a mixer."""
        return self.mamba_d_ssm or self.mamba_expand * self.hidden_size

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and heads that do not make up the mixer's features."""
        found, heads = super().faults(tokens), self.mamba_n_heads
        if self.inner % heads:
            found.append(f"mamba_n_heads: found {heads}; expected a divisor of {self.inner} features")
        elif self.mamba_d_head not in {"auto", self.inner // heads}:
            found.append(f"mamba_d_head: found {self.mamba_d_head}; expected {self.inner // heads}, or auto")
        if heads % self.mamba_n_groups:
            found.append(f"mamba_n_groups: found {self.mamba_n_groups}; expected a divisor of {heads} heads")
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's, with a mixer beside attention."""
        mixer = StateSpace(
            heads=self.mamba_n_heads,
            head_size=self.inner // self.mamba_n_heads,
            groups=self.mamba_n_groups,
            state=self.mamba_d_state,
            taps=self.mamba_d_conv,
            chunk=self.mamba_chunk_size,
            bias=self.mamba_proj_bias,
            out_bias=self.projectors_bias,
            conv_bias=self.mamba_conv_bias,
            normed=self.mamba_rms_norm,
        )
        return super().choices() | {"beside": mixer}

    def windows(self) -> tuple[int, ...]:
        """None: attention sees all tokens."""
        return ()
