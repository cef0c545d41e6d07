"""What every family of dense decoders shares: how its `config.json` is checked and what it must answer."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workloads.zoo.decoder_config import DecoderConfig

FUNCTIONS = {
    "gelu": "gelu",
    "gelu_fast": "gelu",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}

Function = Literal["gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "silu", "swish"]
Probability = Annotated[float, Field(ge=0, le=1)]


class Family(BaseModel, ABC):
    """Keys of one family's `config.json`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @property
    @abstractmethod
    def length(self) -> int | None:
        """Sequence length of one sample where none is asked for: that of pre-training; None if not said."""

    @abstractmethod
    def choices(self) -> dict[str, Any]:
        """Fields of `DecoderConfig`, except name, source and tokens."""

    @abstractmethod
    def faults(self, tokens: int) -> list[str]:
        """What single keys cannot show wrong about sequences of ``tokens``, as ``key: reason``."""

    def decoder(self, *, name: str, source: str, tokens: int) -> DecoderConfig:
        """The dimensions as this project writes them."""
        return DecoderConfig(name=name, source=source, tokens=tokens, **self.choices())


def uneven_heads(what: str, total: int, heads: int) -> list[str]:
    """A fault if the heads do not share the features evenly."""
    if total % heads:
        return [f"{what}: found {total}; expected a multiple of the {heads} attention heads"]
    return []


def plain_choices(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    """What GPT-2, GPT-NeoX, MPT and BLOOM share."""
    return {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_size": hidden // heads,
        "gated": False,
        "normalization": "layernorm",
        "bias": True,
        "qkv_bias": True,
    }
