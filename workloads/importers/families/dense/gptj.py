"""GPT-J, CodeGen's ancestor."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Probability, uneven_heads
from workloads.importers.families.dense.gpt2 import Gpt2


class GptJ(Gpt2):
    """GPT-J: both branches read one normalisation; some features rotated; a bias on the head alone."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50400,
        "n_positions": 2048,
        "n_embd": 4096,
        "n_layer": 28,
        "n_head": 16,
    }

    rotary_dim: Count | None = 64
    tie_word_embeddings: bool = False
    resid_pdrop: Probability = 0.0

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads, more features rotated than a head has."""
        found = uneven_heads("n_embd", self.n_embd, self.n_head)
        if (self.rotary_dim or 0) > self.n_embd // self.n_head:
            size = self.n_embd // self.n_head
            found.append(f"rotary_dim: found {self.rotary_dim}; expected at most the {size} of a head")
        return found

    def choices(self) -> dict[str, Any]:
        """GPT-2's, with biases in the feed-forward network and the head alone."""
        return super().choices() | {
            "parallel_residual": True,
            "shared_norm": True,
            "positions": "rotary",
            "rotary_size": self.rotary_dim or 0,
            "max_positions": 0,
            "qkv_bias": False,
            "output_bias": False,
            "head_bias": True,
        }
