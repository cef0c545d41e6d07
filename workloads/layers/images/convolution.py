"""Convolutions of images and volumes, plain and transposed.

Direct work of a layer with C input and K output channels in g groups, R x S filters and P x Q outputs: 2 K
(C/g) R S P Q flops in each of the three passes (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4:
per-sample work C_out C_in H W K_x K_y); filters and outputs of volumes have a depth, too. The weight gradient
needs the input, which is therefore kept. A transposed convolution is the input gradient of a convolution from
its output to its input (Dumoulin and Visin 2016, arXiv:1603.07285, section 4), with the same work.
"""

from dataclasses import replace

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.operators import ConvolutionShape, Operator, OperatorKind
from workloads.tensors import Tensor, map_extents

Extent = int | tuple[int, ...]
"""One number for all axes, or (height, width), or (depth, height, width)."""


def spread(extent: Extent, axes: int) -> tuple[int, ...]:
    """An extent axis by axis."""
    return (extent,) * axes if isinstance(extent, int) else extent


def window_outputs(
    name: str,
    extents: tuple[int, ...],
    *,
    kernel: Extent,
    stride: Extent,
    padding: Extent,
    ceil: bool = False,
) -> tuple[int, ...]:
    """Output extents of a sliding window: floor((H + 2 padding - kernel) / stride) + 1 on each axis.

    With ``ceil`` the division rounds up, and a window that would begin in the padding behind the input is
    dropped.

    Raises:
        NetworkError: the window is larger than its padded input, or has other axes.
    """
    axes = len(extents)
    spreads = tuple(spread(each, axes) for each in (kernel, stride, padding))
    if any(len(each) != axes for each in spreads):
        found = f"kernel {kernel}, stride {stride} and padding {padding} on {axes} axes"
        raise NetworkError([f"{name}: {found}; expected one number or one for each axis"])
    sizes = tuple(_outputs(*axis, ceil=ceil) for axis in zip(extents, *spreads, strict=True))
    if min(sizes) < 1:
        found = f"window {spreads[0]} on input {extents} with padding {spreads[2]}"
        raise NetworkError([f"{name}: {found}; expected a window that fits"])
    return sizes


def _outputs(extent: int, kernel: int, stride: int, padding: int, *, ceil: bool) -> int:
    span = extent + 2 * padding - kernel
    if not ceil:
        return span // stride + 1
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= extent + padding else count


def convolution(
    name: str,
    source: Tensor,
    *,
    out_channels: int,
    kernel: Extent,
    stride: Extent = 1,
    padding: Extent = 0,
    groups: int = 1,
    bias: bool = True,
) -> Layer:
    """A convolution of a (channels, height, width) or (channels, depth, height, width) tensor.

    Raises:
        NetworkError: the filter does not fit, or the groups do not divide the channels.
    """
    shape = _shape(
        name,
        source,
        out_channels=out_channels,
        kernel=kernel,
        stride=stride,
        padding=padding,
        groups=groups,
    )
    extents = _output_extents(shape, source)
    pixels = out_channels * shape.outputs
    return Layer(
        name=name,
        kind="convolution",
        inputs=(source.name,),
        output_shape=(out_channels, *extents),
        parameters=shape.filters + (out_channels if bias else 0),
        forward=(
            _pass("convolution", shape, reads=source.elements, writes=pixels),
            *((bias_addition(pixels, out_channels),) if bias else ()),
        ),
        input_gradient=(_pass("input gradient", shape, reads=pixels, writes=source.elements),),
        weight_gradient=(
            _pass("weight gradient", shape, reads=source.elements + pixels, writes=0),
            *((bias_sum(pixels, out_channels),) if bias else ()),
        ),
        saved=(SavedActivation(name="input", elements=source.elements),),
        attributes={"padding": spread(padding, len(extents))},
    )


def transposed_convolution(
    name: str, source: Tensor, *, out_channels: int, kernel: Extent, stride: Extent, bias: bool = True
) -> Layer:
    """The reverse of a convolution without padding whose filter is no smaller than its stride.

    An input pixel becomes ``stride`` output pixels on each axis; what larger filters write beyond them is
    cropped, as ``padding="same"`` of Keras does.

    Raises:
        NetworkError: the filter is smaller than its stride, or has other axes.
    """
    channels, *inner = map_extents(name, source)
    strides, taps = spread(stride, len(inner)), spread(kernel, len(inner))
    if len(strides) != len(inner) or len(taps) != len(inner) or any(map(int.__lt__, taps, strides)):
        found = f"kernel {kernel} and stride {stride} on {len(inner)} axes"
        raise NetworkError([f"{name}: {found}; expected a filter no smaller than its stride on each axis"])
    outer = tuple(extent * step for extent, step in zip(inner, strides, strict=True))
    shape = _volume((out_channels, *outer), (channels, *inner), taps=taps, strides=strides, groups=1)
    pixels = out_channels * shape.inputs
    return Layer(
        name=name,
        kind="transposed_convolution",
        inputs=(source.name,),
        output_shape=(out_channels, *outer),
        parameters=shape.filters + (out_channels if bias else 0),
        forward=(
            _transposed("transposed convolution", shape, reads=source.elements, writes=pixels),
            *((bias_addition(pixels, out_channels),) if bias else ()),
        ),
        input_gradient=(_transposed("input gradient", shape, reads=pixels, writes=source.elements),),
        weight_gradient=(
            _transposed("weight gradient", shape, reads=source.elements + pixels, writes=0),
            *((bias_sum(pixels, out_channels),) if bias else ()),
        ),
        saved=(SavedActivation(name="input", elements=source.elements),),
    )


def bias_addition(elements: int, bias: int) -> Operator:
    """Adds a bias in place to a product's output of ``elements``."""
    return Operator(
        name="bias",
        kind=OperatorKind.ELEMENTWISE,
        flops=elements,
        reads=elements,
        writes=elements,
        weights=bias,
    )


def bias_sum(elements: int, bias: int) -> Operator:
    """The gradient of a bias: the sum of the output gradient over everything but the channels."""
    return Operator(
        name="bias gradient", kind=OperatorKind.REDUCTION, flops=elements, reads=elements, weights=bias
    )


def _pass(name: str, shape: ConvolutionShape, *, reads: int, writes: int) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.CONVOLUTION,
        flops=2 * shape.filters * shape.outputs,
        reads=reads,
        writes=writes,
        weights=shape.filters,
        shape=shape,
    )


def _transposed(name: str, shape: ConvolutionShape, *, reads: int, writes: int) -> Operator:
    return replace(_pass(name, shape, reads=reads, writes=writes), transposed=True)


def _shape(
    name: str,
    source: Tensor,
    *,
    out_channels: int,
    kernel: Extent,
    stride: Extent,
    padding: Extent,
    groups: int,
) -> ConvolutionShape:
    channels, *extents = map_extents(name, source)
    if channels % groups or out_channels % groups:
        found = f"{groups} groups for {channels} input and {out_channels} output channels"
        raise NetworkError([f"{name}: {found}; expected a divisor of both"])
    outputs = window_outputs(name, tuple(extents), kernel=kernel, stride=stride, padding=padding)
    return _volume(
        (channels, *extents),
        (out_channels, *outputs),
        taps=spread(kernel, len(extents)),
        strides=spread(stride, len(extents)),
        groups=groups,
    )


def _volume(
    source: tuple[int, ...],
    output: tuple[int, ...],
    *,
    taps: tuple[int, ...],
    strides: tuple[int, ...],
    groups: int,
) -> ConvolutionShape:
    """The shape of (channels, [depth,] height, width) tensors; images have depth one."""
    inner, outer, filters, steps = ((1, *axes)[-3:] for axes in (source[1:], output[1:], taps, strides))
    return ConvolutionShape(
        in_channels=source[0],
        out_channels=output[0],
        in_height=inner[1],
        in_width=inner[2],
        out_height=outer[1],
        out_width=outer[2],
        kernel_height=filters[1],
        kernel_width=filters[2],
        stride_height=steps[1],
        stride_width=steps[2],
        groups=groups,
        in_depth=inner[0],
        out_depth=outer[0],
        kernel_depth=filters[0],
        stride_depth=steps[0],
    )


def _output_extents(shape: ConvolutionShape, source: Tensor) -> tuple[int, ...]:
    return (shape.out_depth, shape.out_height, shape.out_width)[4 - len(source.shape) :]
