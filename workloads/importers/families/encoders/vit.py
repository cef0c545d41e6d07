"""Vision transformers as base models: embedding, encoder and pooler, without a classifier."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Probability,
    plain_choices,
)
from workloads.network import Network
from workloads.zoo.images.patches.vit import build_vit_encoder


def _both(value: object) -> object:
    return (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list) else value


Pixels = Annotated[tuple[Count, Count], BeforeValidator(_both)]


class Vit(Family):
    """ViT: patches, one token before them, learned positions."""

    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    image_size: Pixels = (224, 224)
    patch_size: Pixels = (16, 16)
    num_channels: Count = 3
    qkv_bias: bool = True
    hidden_act: Function = "gelu"
    pooler_output_size: Count | None = None
    hidden_dropout_prob: Probability = 0.0

    @property
    def longest(self) -> int | None:
        """Patches, and the token before them."""
        height, width = (size // patch for size, patch in zip(self.image_size, self.patch_size, strict=True))
        return height * width + 1

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, patches that do not divide the image, another number of tokens than the image's."""
        found = super().faults(tokens)
        if any(size % patch for size, patch in zip(self.image_size, self.patch_size, strict=True)):
            found.append(
                f"image_size: found {list(self.image_size)}; expected multiples of {list(self.patch_size)}"
            )
        elif tokens != self.longest:
            found.append(f"sequence length: found {tokens}; expected none, because its samples are images")
        return found

    def ignored(self) -> Iterator[str]:
        """The classifier."""
        yield "a classifier is no part of a base model: its parameters and work are left out"

    def choices(self) -> dict[str, Any]:
        """An encoder's."""
        return plain_choices(self.num_hidden_layers, self.hidden_size, self.num_attention_heads) | {
            "ffn": self.intermediate_size,
            "vocab": 1,
            "activation": FUNCTIONS[self.hidden_act],
            "positions": "none",
            "qkv_bias": self.qkv_bias,
            "tied": False,
            "dropout": self.hidden_dropout_prob > 0,
            "causal": False,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Embedding, encoder and pooler."""
        config = self.decoder(name=name, source=source, tokens=tokens)
        return build_vit_encoder(
            config,
            image=self.image_size,
            patch=self.patch_size,
            channels=self.num_channels,
            pooled=self.pooler_output_size or 0,
        )
