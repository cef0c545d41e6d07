"""Trainable matrices of a network, which some optimizers treat as wholes.

A matrix is a weight of rank two or more: of a linear layer, an embedding table, or a convolution with its
filters as rows. Vectors (biases, scales) are what is left. *Hidden* matrices are those between embeddings and
the last block, which holds the output layer (Jordan et al. 2024: embedding and output are no business of
Muon's).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import ConvolutionShape, MatmulShape


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightMatrix:
    """``count`` equal matrices (rows x columns).

    Attributes:
        rows, columns: elements each way.
        count: how many the network has.
        hidden: between the embeddings and the last block.
    """

    rows: int
    columns: int
    count: int
    hidden: bool

    @property
    def elements(self) -> int:
        """Of all of them."""
        return self.rows * self.columns * self.count


@lru_cache(maxsize=256)
def weight_matrices(network: Network) -> tuple[WeightMatrix, ...]:
    """Every matrix that a network owns, equal ones of a block once with their count."""
    last = network.blocks[-1]
    return tuple(
        WeightMatrix(rows=rows, columns=columns, count=count * block.count, hidden=hidden)
        for block in network.blocks
        for layer in block.layers
        if not layer.tied
        for rows, columns, count in _shapes(layer)
        for hidden in (block is not last and layer.kind != "embedding",)
    )


@lru_cache(maxsize=256)
def matrix_factors(network: Network) -> int:
    """Numbers that hold every second moment of a network, matrices as rows and columns, all else in full."""
    matrices = weight_matrices(network)
    rest = network.parameters - sum(matrix.elements for matrix in matrices)
    return rest + sum((matrix.rows + matrix.columns) * matrix.count for matrix in matrices)


@lru_cache(maxsize=256)
def hidden_share(network: Network) -> float:
    """Share of a network's parameters in hidden matrices."""
    hidden = sum(matrix.elements for matrix in weight_matrices(network) if matrix.hidden)
    return hidden / network.parameters if network.parameters else 0.0


def _shapes(layer: Layer) -> Iterator[tuple[int, int, int]]:
    """Rows, columns and number of the matrices of one layer."""
    if layer.kind == "embedding":
        width = layer.output_shape[-1]
        yield layer.parameters // width, width, 1
        return
    for operator in layer.weight_gradient:
        shape = operator.shape
        if isinstance(shape, ConvolutionShape):
            filters = shape.out_channels
            yield filters, shape.in_channels // shape.groups * shape.kernel_height * shape.kernel_width, 1
        elif isinstance(shape, MatmulShape) and _elements(shape) <= layer.parameters:
            yield shape.rows, shape.columns, shape.products


def _elements(shape: MatmulShape) -> int:
    return shape.rows * shape.columns * shape.products
