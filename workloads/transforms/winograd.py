"""Convolutions by Winograd's minimal filtering, written out as what they compute.

F(o x o, 3 x 3) makes o x o outputs of a channel from a tile of (o + 2) x (o + 2) inputs with (o + 2)^2
multiplications where the direct way takes 9 o^2: 2.25 times fewer with o = 2, four times with o = 4. Inputs
are transformed tile by tile, products of each of the tile's points go over all channels, results are
transformed back; filters are transformed once per step, and not at all outside training (Lavin and Gray
2016, arXiv:1509.09308, section 4; the transforms' instructions per tile in sections 4.1 and 4.3).

`simdl` lets a device's library choose Winograd where its profile offers it; this transform says that the
network is computed so on whatever device, as a compiler with kernels of its own does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import (
    FILTER_TRANSFORM,
    PRODUCTS,
    ConvolutionShape,
    MatmulShape,
    Operator,
    OperatorKind,
)
from workloads.transforms.low_rank import flowing_gradient, product_of
from workloads.transforms.selection import change_layers, chosen_layers

FILTER = 3
TRANSFORMS = {2: (32, 28, 24), 4: (144, 72, 100)}
"""[FLOP] of the transforms of a tile of inputs, a filter and a tile of results, by outputs on a side."""
SUITED = "a 3 x 3 convolution of stride one without groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Winograd:
    """Computes convolutions by minimal filtering.

    Attributes:
        layers: names or patterns; all that it suits where there are none.
        outputs: o, outputs on a side of a tile: 2 or 4.
    """

    layers: tuple[str, ...] = ()
    outputs: int = 2

    def apply(self, network: Network) -> Network:
        """The network with transformed convolutions.

        Raises:
            NetworkError: unknown or unsuited layers, or pruned ones, whose transformed filters are dense.
        """
        names = chosen_layers(network, self.layers, is_suited, what="winograd", expected=SUITED)
        return change_layers(network, names, self._transformed)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        if self.outputs not in TRANSFORMS:
            yield f"outputs: found {self.outputs}; expected one of {', '.join(map(str, TRANSFORMS))}"

    def _transformed(self, name: str, layer: Layer) -> tuple[Layer]:
        form = layer.weight_format
        if form is not None and form.pattern:
            found = "found pruned filters, which the transform makes dense"
            raise NetworkError([f"winograd: {name}: {found}; expected dense ones"])
        return (winograd_layer(layer, self.outputs),)


def is_suited(layer: Layer) -> bool:
    """Whether a layer is a convolution that minimal filtering is defined for here."""
    if layer.kind != "convolution" or layer.tied:
        return False
    shape = product_of(layer).shape
    if not isinstance(shape, ConvolutionShape):
        return False
    flat = shape.in_depth == shape.kernel_depth == shape.strides == shape.groups == 1
    return flat and shape.kernel_height == shape.kernel_width == FILTER


def winograd_layer(layer: Layer, outputs: int) -> Layer:
    """The layer as transforms and one product per point of a tile."""
    shape = product_of(layer).shape
    assert isinstance(shape, ConvolutionShape)  # noqa: S101 - suited layers are convolutions
    rest = tuple(op for op in layer.forward if op.kind not in PRODUCTS)
    sums = tuple(op for op in layer.weight_gradient if op.kind not in PRODUCTS)
    into, out = shape.in_channels, shape.out_channels
    forward = _tiles(shape.out_height, shape.out_width, outputs)
    backward = _tiles(shape.in_height, shape.in_width, outputs)
    to_input = _filtered(out, into, backward, outputs, (shape.outputs, shape.inputs))
    return replace(
        layer,
        kind="winograd_convolution",
        forward=(
            _filters(shape, outputs),
            *_filtered(into, out, forward, outputs, (shape.inputs, shape.outputs)),
            *rest,
        ),
        input_gradient=flowing_gradient(layer, to_input),
        weight_gradient=(*_weight_gradient(shape, forward, outputs), *sums),
    )


def _tiles(height: int, width: int, outputs: int) -> int:
    return -(-height // outputs) * -(-width // outputs)


def _points(outputs: int) -> int:
    return (outputs + FILTER - 1) ** 2


def _filters(shape: ConvolutionShape, outputs: int) -> Operator:
    """Filters read and their transforms written, once a step whatever the batch."""
    pairs = shape.in_channels * shape.out_channels
    return Operator(
        name=FILTER_TRANSFORM,
        kind=OperatorKind.ELEMENTWISE,
        flops=0,
        weights=pairs * (FILTER**2 + _points(outputs)),
    )


def _filtered(into: int, out: int, tiles: int, outputs: int, pixels: tuple[int, int]) -> tuple[Operator, ...]:
    """Transform of the inputs, products of all points, transform of the results."""
    data, _, inverse = TRANSFORMS[outputs]
    points = _points(outputs)
    shape = MatmulShape(rows=tiles, columns=out, depth=into, products=points)
    return (
        _transform("tile transform", into * tiles, data, into * pixels[0], into * tiles * points),
        Operator(
            name="winograd product",
            kind=OperatorKind.MATMUL,
            flops=2 * points * tiles * into * out,
            reads=points * tiles * into,
            writes=points * tiles * out,
            weights=points * into * out,
            shape=shape,
        ),
        _transform("inverse transform", out * tiles, inverse, out * tiles * points, out * pixels[1]),
    )


def _weight_gradient(shape: ConvolutionShape, tiles: int, outputs: int) -> tuple[Operator, ...]:
    """Transforms of inputs and output gradients, products over all tiles, transform of the filters back."""
    into, out, points = shape.in_channels, shape.out_channels, _points(outputs)
    data, _, inverse = TRANSFORMS[outputs]
    product = MatmulShape(rows=out, columns=into, depth=tiles, products=points, batch_axis="depth")
    return (
        _transform("tile transform", into * tiles, data, into * shape.inputs, into * tiles * points),
        _transform("gradient transform", out * tiles, inverse, out * shape.outputs, out * tiles * points),
        Operator(
            name="weight gradient",
            kind=OperatorKind.MATMUL,
            flops=2 * points * tiles * into * out,
            reads=points * tiles * (into + out),
            weights=points * into * out,
            shape=product,
        ),
        Operator(
            name="filter gradient transform",
            kind=OperatorKind.ELEMENTWISE,
            flops=0,
            weights=into * out * (points + FILTER**2),
        ),
    )


def _transform(name: str, count: int, work: int, reads: int, writes: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=count * work, reads=reads, writes=writes)
