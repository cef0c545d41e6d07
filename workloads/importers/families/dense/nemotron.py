"""Nemotron: Nemotron-4 and Minitron."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Function, Probability
from workloads.importers.families.dense.llama import Llama


class Nemotron(Llama):
    """Nemotron: LayerNorm, squared ReLU without a gate, some features rotated."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 256000,
        "hidden_size": 6144,
        "intermediate_size": 24576,
        "num_hidden_layers": 32,
        "num_attention_heads": 48,
        "max_position_embeddings": 4096,
    }

    hidden_act: Function = "relu2"
    partial_rotary_factor: Probability = 0.5

    def choices(self) -> dict[str, Any]:
        """Llama's, with another normalisation and no gate."""
        return super().choices() | {"gated": False, "normalization": "layernorm"}
