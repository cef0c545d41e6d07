"""Sliding windows of convolutions and pooling layers, read back from their operators."""

from dataclasses import dataclass

from simdl.splits.site import Site, elements
from workloads.operators import ConvolutionShape

Extents = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Filter size and stride, (height, width)."""

    kernel: Extents
    stride: Extents

    @property
    def reach(self) -> Extents:
        """Input rows and columns that windows reach beyond a boundary, both sides together."""
        return _reach(self.kernel[0], self.stride[0]), _reach(self.kernel[1], self.stride[1])

    @property
    def gradient_reach(self) -> Extents:
        """The same of the output gradient: outputs whose windows straddle a boundary."""
        rows, columns = self.reach
        return -(-rows // self.stride[0]), -(-columns // self.stride[1])


def _reach(kernel: int, stride: int) -> int:
    return max(0, kernel - stride)


def window_of(site: Site) -> Window | None:
    """The window of a convolution or pooling layer; None for layers without one.

    A pooling layer is taken as square: its work is K^2 or K^3 operations an output, its stride the ratio of
    the extents.
    """
    layer = site.layer
    if layer.kind == "convolution":
        shape = layer.forward[0].shape
        assert isinstance(shape, ConvolutionShape)  # noqa: S101 - what the builder promises
        return Window(
            kernel=(shape.kernel_height, shape.kernel_width),
            stride=(shape.stride_height, shape.stride_width),
        )
    if layer.kind != "pooling":
        return None
    axes = len(layer.output_shape) - 1
    kernel = round((layer.forward[0].flops // elements(layer.output_shape)) ** (1 / axes))
    stride = round(site.shapes[0][-1] / layer.output_shape[-1])
    return Window(kernel=(kernel, kernel), stride=(stride, stride))
