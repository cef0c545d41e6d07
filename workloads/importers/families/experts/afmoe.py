"""Arcee's AFMoE (Trinity), with names and defaults of Transformers 5.24 (``AfmoeConfig``)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Window
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.experts.mixtures import Maybe
from workloads.zoo.language.decoder.parts import Experts


class Afmoe(Llama):
    """AFMoE: gated and normalised heads, normalised branches, positions in windowed layers alone, experts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 200192,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "max_position_embeddings": 16384,
    }

    head_dim: Count = 128
    sliding_window: Window | None = 1024
    global_attn_every_n_layers: Count = 4
    moe_intermediate_size: Count = 1408
    num_dense_layers: Maybe = 1
    num_experts: Count = 64
    num_experts_per_tok: Count = 6
    num_shared_experts: Maybe = 2

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and biases of attention, which no released model has."""
        found = super().faults(tokens)
        if self.attention_bias:
            found.append("attention_bias: found true; expected false, as in released models")
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's, with gates, norms and experts."""
        windowed = tuple(bool(window) for window in self.windows()) or (False,)
        return super().choices() | {
            "qk_norm": "head",
            "gated_heads": True,
            "branch_norm": True,
            "bias": False,
            "rotated": windowed,
            "experts": Experts(
                count=self.num_experts,
                chosen=self.num_experts_per_tok,
                ffn=self.moe_intermediate_size,
                shared=self.num_shared_experts * self.moe_intermediate_size,
                correction=True,
                dense_layers=self.num_dense_layers,
            ),
        }

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but every so-many-th layer."""
        return (window,) * (self.global_attn_every_n_layers - 1) + (0,)
