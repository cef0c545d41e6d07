"""Convolutions of images and volumes, plain and transposed; repetition and crops of maps."""

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.orders import Order
from validation.reference_trainer.modules.site import Builder, Site, count_of, pair_of
from workloads.layer import Layer
from workloads.operators import ConvolutionShape, MatmulShape
from workloads.transforms.winograd import FILTER


def _shape(layer: Layer) -> ConvolutionShape:
    first = layer.forward[0]
    if not isinstance(first.shape, ConvolutionShape):
        raise TrainerError(f"layer {layer.name}: begins with {first.name}; expected a convolution alone")
    return first.shape


def _axes(layer: Layer, extents: tuple[int, int, int]) -> tuple[int, ...]:
    """(height, width), or with the depth before them, as the layer has it."""
    return extents[4 - len(layer.output_shape) :]


def build_convolution(layer: Layer, _: Site) -> torch.nn.Module:
    """The convolution of these dimensions; its bias is what the parameters leave beside the filters."""
    shape = _shape(layer)
    if "shared" in layer.attributes:
        owner = layer.attributes["shared"]
        raise TrainerError(f"layer {layer.name}: shares the parameters of {owner}; expected its own")
    kind = torch.nn.Conv2d if len(layer.output_shape) == 3 else torch.nn.Conv3d
    return kind(
        shape.in_channels,
        shape.out_channels,
        _axes(layer, (shape.kernel_depth, shape.kernel_height, shape.kernel_width)),
        stride=_axes(layer, (shape.stride_depth, shape.stride_height, shape.stride_width)),
        padding=pair_of(layer, "padding"),
        groups=shape.groups,
        bias=layer.parameters > shape.filters,
    )


def build_transposed(layer: Layer, _: Site) -> torch.nn.Module:
    """The transposed convolution whose output is a whole number of strides."""
    shape = _shape(layer)
    kind = torch.nn.ConvTranspose2d if len(layer.output_shape) == 3 else torch.nn.ConvTranspose3d
    taps = _axes(layer, (shape.kernel_depth, shape.kernel_height, shape.kernel_width))
    steps = _axes(layer, (shape.stride_depth, shape.stride_height, shape.stride_width))
    beyond = tuple(tap - step for tap, step in zip(taps, steps, strict=True))
    return kind(
        shape.out_channels,
        shape.in_channels,
        taps,
        stride=steps,
        padding=tuple(-(-each // 2) for each in beyond),
        output_padding=tuple(each % 2 for each in beyond),
        bias=layer.parameters > shape.filters,
    )


def build_winograd(layer: Layer, _: Site) -> torch.nn.Module:
    """The convolution that minimal filtering computes, by whatever algorithm PyTorch takes."""
    shape = next(operator.shape for operator in layer.forward if isinstance(operator.shape, MatmulShape))
    return torch.nn.Conv2d(
        shape.depth,
        shape.columns,
        FILTER,
        padding=pair_of(layer, "padding"),
        bias=layer.parameters > layer.product_weights,
    )


def build_upsampling(layer: Layer, _: Site) -> torch.nn.Module:
    """Every pixel repeated."""
    return torch.nn.Upsample(scale_factor=count_of(layer, "scale"))


def build_crop(layer: Layer, _: Site) -> torch.nn.Module:
    """The middle of the maps."""
    extents = layer.output_shape[1:]

    def middle(x: torch.Tensor) -> torch.Tensor:
        for axis, extent in enumerate(extents, start=2):
            x = x.narrow(axis, (x.shape[axis] - extent) // 2, extent)
        return x

    return Order(middle)


MODULES: dict[str, Builder] = {
    "convolution": build_convolution,
    "crop": build_crop,
    "transposed_convolution": build_transposed,
    "upsampling": build_upsampling,
    "winograd_convolution": build_winograd,
}
