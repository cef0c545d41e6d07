"""Tensors: the name and the shape of what a layer reads, without values."""

from dataclasses import dataclass
from math import prod

BLOCK_INPUT = "input"
"""Name by which the layers of a block read what the block before it produces."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """The output of a layer, or a block's input.

    Attributes:
        name: of the layer that produces it, or ``BLOCK_INPUT``.
        shape: of one sample, without the batch axis: (channels, height, width) or (features,).
    """

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Elements of one sample."""
        return prod(self.shape)
