"""Two-dimensional convolutions."""

import torch

from validation.reference_trainer.modules.site import Builder, Site, pair_of
from workloads.layer import Layer
from workloads.operators import ConvolutionShape


def build_convolution(layer: Layer, _: Site) -> torch.nn.Module:
    """The convolution of these dimensions; its bias is what the parameters leave beside the filters."""
    shape = layer.forward[0].shape
    assert isinstance(shape, ConvolutionShape)  # noqa: S101
    return torch.nn.Conv2d(
        shape.in_channels,
        shape.out_channels,
        (shape.kernel_height, shape.kernel_width),
        stride=(shape.stride_height, shape.stride_width),
        padding=pair_of(layer, "padding"),
        groups=shape.groups,
        bias=layer.parameters > shape.filters,
    )


MODULES: dict[str, Builder] = {"convolution": build_convolution}
