"""Parts of layers: the layer that one rank is left with after a split.

The largest part sets the pace, so extents are rounded up. Kernels that stream (element-wise, pooling,
normalisation) scale with their share of the elements; products keep their dimensions, each divided. What is
divided alike is one object, so that its kernels are priced once, whatever cluster its ranks stand on.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import ceil

from workloads.layer import Layer
from workloads.operators import ConvolutionShape, MatmulShape, Operator

PARTS = 16384
"""Parts that are remembered of each kind."""


def ceil_part(extent: int, degree: int) -> int:
    """The largest of ``degree`` parts of an extent."""
    return -(-extent // degree)


@lru_cache(maxsize=PARTS)
def share_layer(layer: Layer, share: float, *, weights: float = 1.0) -> Layer:
    """A layer whose every operator works on a share of the elements of each sample.

    Args:
        layer: one without products.
        share: of the activations, in (0, 1].
        weights: share of the parameters.
    """
    return _divided(layer, lambda operator: share_operator(operator, share, weights), share, weights)


def share_operator(operator: Operator, share: float, weights: float) -> Operator:
    """The operator on a share of its elements and of its parameters."""
    return replace(
        operator,
        flops=ceil(operator.flops * share),
        reads=ceil(operator.reads * share),
        writes=ceil(operator.writes * share),
        weights=ceil(operator.weights * weights),
        chained=ceil(operator.chained * share),
    )


@lru_cache(maxsize=PARTS)
def convolution_part(
    layer: Layer, kept: float, *, channels: int = 1, filters: int = 1, height: int = 1, width: int = 1
) -> Layer:
    """A convolution with its input channels, filters, rows and columns divided.

    Args:
        layer: undivided.
        kept: share of its input that a rank keeps for the backward pass.
        channels: degree over input channels.
        filters: degree over filters.
        height: degree over rows.
        width: degree over columns.
    """
    pixels = height * width
    weights = 1 / (channels * filters)

    def divide(operator: Operator) -> Operator:
        if not isinstance(operator.shape, ConvolutionShape):
            return share_operator(operator, 1 / (filters * pixels), 1 / filters)
        shape = operator.shape
        read = shape.in_channels * shape.in_height * shape.in_width / (channels * pixels)
        written = shape.out_channels * shape.out_height * shape.out_width / (filters * pixels)
        return replace(
            share_operator(operator, weights / pixels, weights),
            reads=ceil(read + written),
            writes=0,
            shape=_smaller(shape, channels, filters, (height, width)),
        )

    return _divided(layer, divide, kept, weights)


def groups_of(layer: Layer) -> int:
    """Groups of a convolution; 1 for every other layer."""
    shape = layer.forward[0].shape if layer.forward else None
    return shape.groups if isinstance(shape, ConvolutionShape) else 1


@lru_cache(maxsize=PARTS)
def grouped_part(layer: Layer, degree: int) -> Layer:
    """A convolution in groups of which a rank has ``1 / degree``, with their channels and filters."""
    share = 1 / degree

    def divide(operator: Operator) -> Operator:
        part = share_operator(operator, share, share)
        if not isinstance(operator.shape, ConvolutionShape):
            return part
        shape = operator.shape
        return replace(
            part,
            shape=replace(
                shape,
                in_channels=shape.in_channels // degree,
                out_channels=shape.out_channels // degree,
                groups=shape.groups // degree,
            ),
        )

    return _divided(layer, divide, share, share)


def _smaller(
    shape: ConvolutionShape, channels: int, filters: int, pixels: tuple[int, int]
) -> ConvolutionShape:
    rows, columns = ceil_part(shape.out_height, pixels[0]), ceil_part(shape.out_width, pixels[1])
    return replace(
        shape,
        in_channels=ceil_part(shape.in_channels, channels),
        out_channels=ceil_part(shape.out_channels, filters),
        out_height=rows,
        out_width=columns,
        in_height=_window(rows, shape.stride_height, shape.kernel_height, shape.in_height),
        in_width=_window(columns, shape.stride_width, shape.kernel_width, shape.in_width),
    )


def _window(outputs: int, stride: int, kernel: int, whole: int) -> int:
    """Input rows under so many output rows, halo included."""
    return min(whole, (outputs - 1) * stride + kernel)


@lru_cache(maxsize=PARTS)
def linear_part(layer: Layer, kept: float, *, inputs: int = 1, outputs: int = 1) -> Layer:
    """A fully connected layer with its input and output features divided.

    Args:
        layer: undivided.
        kept: share of its input that a rank keeps for the backward pass.
        inputs: degree over input features.
        outputs: degree over output features.
    """
    weights = 1 / (inputs * outputs)

    def divide(operator: Operator) -> Operator:
        if not isinstance(operator.shape, MatmulShape):
            return share_operator(operator, 1 / outputs, 1 / outputs)
        return replace(
            share_operator(operator, weights, weights),
            shape=_smaller_product(operator.shape, inputs, outputs, forward=operator in layer.forward),
        )

    return _divided(layer, divide, kept, weights)


def _smaller_product(shape: MatmulShape, inputs: int, outputs: int, *, forward: bool) -> MatmulShape:
    """Forward (samples, F, C), input gradient (samples, C, F), weight gradient (F, C, samples)."""
    if shape.batch_axis == "depth":
        return replace(shape, rows=ceil_part(shape.rows, outputs), columns=ceil_part(shape.columns, inputs))
    columns, depth = (outputs, inputs) if forward else (inputs, outputs)
    return replace(shape, columns=ceil_part(shape.columns, columns), depth=ceil_part(shape.depth, depth))


def _divided(layer: Layer, divide: Callable[[Operator], Operator], kept: float, weights: float) -> Layer:
    return replace(
        layer,
        parameters=ceil(layer.parameters * weights),
        forward=tuple(map(divide, layer.forward)),
        input_gradient=tuple(map(divide, layer.input_gradient)),
        weight_gradient=tuple(map(divide, layer.weight_gradient)),
        saved=tuple(replace(tensor, elements=ceil(tensor.elements * kept)) for tensor in layer.saved),
    )
