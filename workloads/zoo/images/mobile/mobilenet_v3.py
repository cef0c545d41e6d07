"""MobileNetV3, large and small: Howard et al. 2019, arXiv:1905.02244, tables 1 and 2.

The gate is squeezed to a quarter of the expanded channels, rounded to eights, and ends in a hard sigmoid;
both are the released code's, as torchvision has it.
"""

from collections.abc import Callable, Sequence
from functools import partial

from workloads.layers.activation import activation
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.dropout import dropout
from workloads.layers.images.compound import conv_norm_act
from workloads.layers.images.inverted_residual import InvertedResidual, divisible, inverted_residuals
from workloads.layers.images.pooling import global_pool
from workloads.layers.linear import linear
from workloads.network import Block, Network

SOURCE = "Howard et al. 2019, arXiv:1905.02244, tables 1 and 2"
Row = tuple[int, int, int, bool, str, int]

LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hardswish", 2),
    (3, 200, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 184, 80, False, "hardswish", 1),
    (3, 480, 112, True, "hardswish", 1),
    (3, 672, 112, True, "hardswish", 1),
    (5, 672, 160, True, "hardswish", 2),
    (5, 960, 160, True, "hardswish", 1),
    (5, 960, 160, True, "hardswish", 1),
)
"""Filter, expanded channels, output channels, gate, activation and stride of each block; 1,280 features."""
SMALL: tuple[Row, ...] = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hardswish", 2),
    (5, 240, 40, True, "hardswish", 1),
    (5, 240, 40, True, "hardswish", 1),
    (5, 120, 48, True, "hardswish", 1),
    (5, 144, 48, True, "hardswish", 1),
    (5, 288, 96, True, "hardswish", 2),
    (5, 576, 96, True, "hardswish", 1),
    (5, 576, 96, True, "hardswish", 1),
)
"""The same; 1,024 features."""


def build_mobilenet_v3(
    name: str, *, rows: Sequence[Row], features: int, image_size: int | None = None
) -> Network:
    """A MobileNetV3.

    Args:
        name: registered name.
        rows: its blocks.
        features: of the hidden linear layer.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    stem = Draft((3, size, size))
    conv_norm_act(stem, "conv", out_channels=16, kernel=3, stride=2, padding=1, function="hardswish")
    blocks = [stem.block("stem")]
    blocks += inverted_residuals(output_shape(blocks), [_part(row) for row in rows])
    blocks.append(_head(output_shape(blocks), features))
    return build_image_network(name, blocks, source=SOURCE)


def _part(row: Row) -> InvertedResidual:
    kernel, expanded, outputs, gated, function, stride = row
    return InvertedResidual(
        expanded=expanded,
        out_channels=outputs,
        kernel=kernel,
        stride=stride,
        function=function,
        squeezed=divisible(expanded // 4) if gated else 0,
        gate="hardsigmoid",
    )


def _head(shape: tuple[int, ...], features: int) -> Block:
    draft = Draft(shape)
    conv_norm_act(draft, "conv", out_channels=6 * shape[0], kernel=1, function="hardswish")
    draft.add(global_pool, "pool")
    draft.add(linear, "hidden", out_features=features)
    draft.add(activation, "hardswish", function="hardswish")
    draft.add(dropout, "dropout")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


NETWORKS: dict[str, Callable[..., Network]] = {
    "mobilenet-v3-large": partial(build_mobilenet_v3, "mobilenet-v3-large", rows=LARGE, features=1280),
    "mobilenet-v3-small": partial(build_mobilenet_v3, "mobilenet-v3-small", rows=SMALL, features=1024),
}
ALIASES = {
    "mobilenetv3_large_100": "mobilenet-v3-large",
    "mobilenetv3_small_100": "mobilenet-v3-small",
}
