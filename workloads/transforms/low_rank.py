"""Low-rank factors: one product in place of another by two thinner ones.

A matrix W (m x n) of rank r, or cut to it by its singular values, is U V with U (m x r) and V (r x n): r (m +
n) weights in place of m n, and as many multiply-adds a row (Denton et al. 2014, arXiv:1404.0736, section
3.1). A k x k convolution from c to d channels becomes one from c to d' followed by a 1 x 1 convolution from
d' to d: d' (k^2 c + d) in place of k^2 c d (Zhang et al. 2015, arXiv:1505.06798, section 2.1). The rank that
keeps the accuracy depends on the weights, so it is chosen, not derived.

The first factor is a new layer, ``NAME_low``; the second keeps the name, the bias and the readers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from workloads.errors import NetworkError
from workloads.layer import Attribute, Layer
from workloads.layers.images.convolution import convolution
from workloads.layers.linear import linear
from workloads.layers.projection import (
    Projection,
    column_projection,
    replicated_projection,
    row_projection,
    sequence_projection,
)
from workloads.network import Network
from workloads.operators import PRODUCTS, ConvolutionShape, ExpertSplit, MatmulShape, Operator, Split
from workloads.tensors import Tensor
from workloads.transforms.selection import change_layers, chosen_layers, single_product

FACTORED = "a fully connected or convolutional layer with weights of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """Replaces matrices by two factors.

    Attributes:
        layers: names or patterns; all fully connected and convolutional ones where there are none.
        rank: r of a matrix, d' of a convolution.
    """

    layers: tuple[str, ...] = ()
    rank: int = 1

    def apply(self, network: Network) -> Network:
        """The network with factors.

        Raises:
            NetworkError: unknown layers, or a rank above a matrix's.
        """
        names = chosen_layers(network, self.layers, is_matrix_layer, what="low-rank", expected=FACTORED)
        return change_layers(network, names, self._factors)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        if self.rank < 1:
            yield f"rank: found {self.rank}; expected at least 1"

    def _factors(self, name: str, layer: Layer) -> tuple[Layer, Layer]:
        rows, columns = matrix_of(name, layer)
        if self.rank > min(rows, columns):
            most = min(rows, columns)
            found = f"rank {self.rank}: the matrix is {rows} x {columns}"
            raise NetworkError([f"low-rank: {name}: {found}; expected at most {most}"])
        shape = product_of(layer).shape
        if isinstance(shape, ConvolutionShape):
            return convolution_factors(layer, shape, self.rank)
        return matrix_factors(layer, columns, rows, self.rank)


def is_matrix_layer(layer: Layer) -> bool:
    """Whether a layer is one product whose factors are layers of the same kind."""
    if layer.kind not in ("linear", "convolution") or not single_product(layer):
        return False
    return not isinstance(layer.parameter_split, ExpertSplit)


def product_of(layer: Layer) -> Operator:
    """The forward product of a layer that has one."""
    return next(operator for operator in layer.forward if operator.weights and operator.shape is not None)


def matrix_of(name: str, layer: Layer) -> tuple[int, int]:
    """Rows (outputs) and columns (inputs) of the matrix that a layer multiplies by.

    Raises:
        NetworkError: the layer has several, one for each group of channels.
    """
    shape = product_of(layer).shape
    if isinstance(shape, ConvolutionShape):
        if shape.groups > 1:
            found = f"found {shape.groups} groups"
            raise NetworkError([f"low-rank: {name}: {found}; expected a convolution of all channels"])
        return shape.out_channels, shape.in_channels * shape.taps
    assert isinstance(shape, MatmulShape)  # noqa: S101 - of layers of kind linear
    return shape.columns, shape.depth


def convolution_factors(layer: Layer, shape: ConvolutionShape, rank: int) -> tuple[Layer, Layer]:
    """``k x k x c -> rank`` and ``1 x 1 x rank -> d``."""
    volume = len(layer.output_shape) == 4
    extents = (shape.in_depth, shape.in_height, shape.in_width)[0 if volume else 1 :]
    source = Tensor(layer.inputs[0], (shape.in_channels, *extents))
    first = convolution(
        f"{layer.name}_low",
        source,
        out_channels=rank,
        kernel=(shape.kernel_depth, shape.kernel_height, shape.kernel_width)[0 if volume else 1 :],
        stride=(shape.stride_depth, shape.stride_height, shape.stride_width)[0 if volume else 1 :],
        padding=_padding(layer.attributes.get("padding", 0)),
        bias=False,
    )
    second = convolution(
        layer.name,
        Tensor(first.name, first.output_shape),
        out_channels=shape.out_channels,
        kernel=1,
        bias=layer.parameters > layer.product_weights,
    )
    return _in_place(layer, first, second)


def _padding(given: Attribute) -> int | tuple[int, ...]:
    return given if isinstance(given, tuple) else int(given)


def matrix_factors(layer: Layer, inputs: int, outputs: int, rank: int) -> tuple[Layer, Layer]:
    """``inputs -> rank`` and ``rank -> outputs``; of tokens, divided as the matrix was."""
    low, bias = f"{layer.name}_low", layer.parameters > layer.product_weights
    source = layer.inputs[0]
    if len(layer.output_shape) == 1:
        first = linear(low, Tensor(source, (inputs,)), out_features=rank, bias=False)
        second = linear(layer.name, Tensor(low, (rank,)), out_features=outputs, bias=bias)
        return _in_place(layer, first, second)
    tokens = layer.output_shape[0]
    down = Projection(tokens=tokens, inputs=inputs, outputs=rank)
    back = Projection(tokens=tokens, inputs=rank, outputs=outputs)
    axis = layer.parameter_split.axis
    if axis is Split.ROW:
        return _in_place(layer, row_projection(low, source, down), sequence_projection(layer.name, low, back))
    if axis is Split.COLUMN:
        split = layer.parameter_split
        second = column_projection(layer.name, low, back, bias=bias, split=split)
        return _in_place(layer, sequence_projection(low, source, down), second)
    build = replicated_projection if axis is Split.REPLICATED else sequence_projection
    return _in_place(layer, build(low, source, down), build(layer.name, low, back, bias=bias))


def _in_place(layer: Layer, first: Layer, second: Layer) -> tuple[Layer, Layer]:
    """Two factors where one layer was: what it says of training, its readers and its fusion go on."""
    first = replace(
        first,
        inputs=layer.inputs,
        narrow=layer.narrow,
        saved=layer.saved,
        input_gradient=flowing_gradient(layer, first.input_gradient),
    )
    kept, forward = layer.forward[-1], second.forward
    if kept.fusion and len(layer.forward) == len(forward):
        forward = (*forward[:-1], replace(forward[-1], fusion=kept.fusion, chained=kept.chained))
    return first, replace(second, narrow=layer.narrow, forward=forward, output_shape=layer.output_shape)


def flowing_gradient(layer: Layer, gradient: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """The input gradient of what stands where a layer was.

    A layer that needs no gradient of its input stays one; sums with the gradients of other readers go on.
    """
    product = any(operator.kind in PRODUCTS for operator in layer.input_gradient)
    rest = tuple(operator for operator in layer.input_gradient if operator.kind not in PRODUCTS)
    return (*(gradient if product else ()), *rest)
