"""OLMo 1 to 3, and OLMoE."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Window
from workloads.importers.families.dense.llama import Llama
from workloads.zoo.language.decoder.parts import Experts


class Olmo(Llama):
    """OLMo: Llama with normalisations that train nothing; ``clip_qkv`` costs nothing that counts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {**Llama.DIMENSIONS, "vocab_size": 50304}

    def choices(self) -> dict[str, Any]:
        """Llama's, standardised, without biases in the feed-forward network."""
        return super().choices() | {"normalization": "standardization", "bias": False}


class Olmo2(Llama):
    """OLMo 2: what branches put out is normalised, not what they read; queries and keys over all heads."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = Olmo.DIMENSIONS

    def choices(self) -> dict[str, Any]:
        """Llama's, with other normalisations."""
        return super().choices() | {
            "bias": False,
            "input_norm": False,
            "branch_norm": True,
            "qk_norm": "width",
        }


class Olmo3(Olmo2):
    """OLMo 3: OLMo 2 with a window in three of four layers."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = Olmo.DIMENSIONS

    sliding_window: Window | None = 4096

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but every fourth layer."""
        return window, window, window, 0


class Olmoe(Llama):
    """OLMoE: Llama with experts in every layer and normalised queries and keys over all heads."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Olmo.DIMENSIONS,
        "hidden_size": 2048,
        "intermediate_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
    }

    num_experts: Count = 64
    num_experts_per_tok: Count = 8

    def choices(self) -> dict[str, Any]:
        """Llama's, with experts."""
        experts = Experts(count=self.num_experts, chosen=self.num_experts_per_tok, ffn=self.intermediate_size)
        return super().choices() | {"bias": False, "qk_norm": "width", "experts": experts}
