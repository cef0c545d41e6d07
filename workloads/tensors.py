"""Tensors: the name and the shape of what a layer reads, without values."""

from dataclasses import dataclass
from math import prod

from workloads.errors import NetworkError

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


def map_extents(reader: str, tensor: Tensor) -> tuple[int, ...]:
    """(channels, [depth,] height, width) of a tensor that ``reader`` needs as maps or volumes.

    Raises:
        NetworkError: it has another number of dimensions.
    """
    if len(tensor.shape) not in (3, 4):
        found = f"reads {tensor.name!r} of shape {tensor.shape}"
        raise NetworkError([f"{reader}: {found}; expected (channels, height, width) or a depth before them"])
    return tensor.shape


def map_shape(reader: str, tensor: Tensor) -> tuple[int, int, int]:
    """(channels, height, width) of a tensor that ``reader`` needs as maps.

    Raises:
        NetworkError: it has another number of dimensions.
    """
    if len(tensor.shape) != 3:
        found = f"reads {tensor.name!r} of shape {tensor.shape}"
        raise NetworkError([f"{reader}: {found}; expected (channels, height, width)"])
    return tensor.shape[0], tensor.shape[1], tensor.shape[2]
