"""EXAONE 4 and EXAONE MoE: normalised branches, windows in turns, positions in windowed layers alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Window, alias
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.experts.deepseek import RoutedExperts


class Exaone4(Llama):
    """EXAONE 4: OLMo 2's order of normalisations, normalised heads, three windowed layers to one without."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 102400,
        "intermediate_size": 16384,
    }

    num_key_value_heads: Count = 32
    sliding_window: Window | None = 4096
    sliding_window_pattern: str | Window | None = 4

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but the last of a pattern, which is a number of layers or a letter for each, ``L`` or ``G``."""
        pattern = self.sliding_window_pattern
        if isinstance(pattern, str):
            return tuple(window if letter == "L" else 0 for letter in pattern) or (0,)
        return (window,) * (pattern - 1) + (0,) if pattern else (0,)

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised branches and heads; layers without a window do not rotate."""
        found = super().choices()
        rotated = tuple(window > 0 for window in found["windows"])
        return found | {
            "bias": False,
            "qkv_bias": False,
            "output_bias": False,
            "qk_norm": "head",
            "input_norm": False,
            "branch_norm": True,
            "rotated": rotated,
        }


class ExaoneMoe(Exaone4, RoutedExperts):
    """EXAONE MoE: EXAONE 4's attention in Llama's order of normalisations, with routed and shared experts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = Exaone4.DIMENSIONS

    n_routed_experts: Count | None = alias("num_experts", "n_routed_experts", default=64)
    n_shared_experts: Window | None = alias("num_shared_experts", "n_shared_experts", default=1)
    num_experts_per_tok: Count | None = 8
    moe_intermediate_size: Count = 1024
    first_k_dense_replace: Window = 1

    def choices(self) -> dict[str, Any]:
        """EXAONE 4's, normalised before branches."""
        return super().choices() | {"input_norm": True, "branch_norm": False}
