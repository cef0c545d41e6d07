"""Two-dimensional convolution.

Direct work of a layer with C input and K output channels in g groups, R x S filters and P x Q outputs: 2 K
(C/g) R S P Q flops in each of the three passes (Ben-Nun and Hoefler 2018, arXiv:1802.09941, table 4:
per-sample work C_out C_in H W K_x K_y). The weight gradient needs the input, which is therefore kept.
"""

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.operators import ConvolutionShape, Operator, OperatorKind
from workloads.tensors import Tensor, map_shape

Extent = int | tuple[int, int]
"""One number for both axes, or (height, width)."""


def pair(extent: Extent) -> tuple[int, int]:
    """(height, width) of an extent."""
    return (extent, extent) if isinstance(extent, int) else extent


def window_outputs(
    name: str,
    extents: tuple[int, int],
    *,
    kernel: Extent,
    stride: Extent,
    padding: Extent,
    ceil: bool = False,
) -> tuple[int, int]:
    """Output height and width of a sliding window: floor((H + 2 padding - kernel) / stride) + 1.

    With ``ceil`` the division rounds up, and a window that would begin in the padding behind the input is
    dropped.

    Raises:
        NetworkError: the window is larger than its padded input.
    """
    sizes = tuple(
        _outputs(*axis, ceil=ceil)
        for axis in zip(extents, pair(kernel), pair(stride), pair(padding), strict=True)
    )
    if min(sizes) < 1:
        found = f"window {pair(kernel)} on input {extents} with padding {pair(padding)}"
        raise NetworkError([f"{name}: {found}; expected a window that fits"])
    return sizes[0], sizes[1]


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
    """A convolution of a (channels, height, width) tensor.

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
    pixels = out_channels * shape.out_height * shape.out_width
    weights = shape.filters
    return Layer(
        name=name,
        kind="convolution",
        inputs=(source.name,),
        output_shape=(out_channels, shape.out_height, shape.out_width),
        parameters=weights + (out_channels if bias else 0),
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
        attributes={"padding": pair(padding)},
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
    weights = shape.filters
    return Operator(
        name=name,
        kind=OperatorKind.CONVOLUTION,
        flops=2 * weights * shape.outputs,
        reads=reads,
        writes=writes,
        weights=weights,
        shape=shape,
    )


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
    channels, height, width = map_shape(name, source)
    if channels % groups or out_channels % groups:
        found = f"{groups} groups for {channels} input and {out_channels} output channels"
        raise NetworkError([f"{name}: {found}; expected a divisor of both"])
    outputs = window_outputs(name, (height, width), kernel=kernel, stride=stride, padding=padding)
    return ConvolutionShape(
        in_channels=channels,
        out_channels=out_channels,
        in_height=height,
        in_width=width,
        out_height=outputs[0],
        out_width=outputs[1],
        kernel_height=pair(kernel)[0],
        kernel_width=pair(kernel)[1],
        stride_height=pair(stride)[0],
        stride_width=pair(stride)[1],
        groups=groups,
    )
