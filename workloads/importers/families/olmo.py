"""OLMo 1 and 2."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.llama import Llama


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
