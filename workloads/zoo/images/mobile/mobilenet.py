"""MobileNetV2: Sandler et al. 2018, arXiv:1801.04381, table 2, with the width multipliers of its section 6.1.

``mobilenet-v2-110d`` and ``-120d`` are timm's: wider by 1.1 and 1.2, deeper by 1.2 and 1.4 (a stage's blocks
rounded up, first and last stage left alone), with the plain stem and head.
"""

from collections.abc import Callable
from functools import partial
from math import ceil

from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.images.compound import classifier, conv_norm_act
from workloads.layers.images.inverted_residual import InvertedResidual, divisible, inverted_residuals, stage
from workloads.network import Block, Network

SOURCE = "Sandler et al. 2018, arXiv:1801.04381, table 2"
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion t, output channels c, blocks n and first stride s."""
STEM, HEAD = 32, 1280


def build_mobilenet_v2(
    name: str,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    plain_ends: bool = False,
    image_size: int | None = None,
) -> Network:
    """A MobileNetV2.

    Args:
        name: registered name.
        width: multiplier of all channels; the last convolution's only where above one.
        depth: multiplier of the blocks of every stage but the first and the last.
        plain_ends: the multiplier leaves stem and last convolution alone.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size), STEM if plain_ends else divisible(STEM * width))]
    parts: list[InvertedResidual] = []
    channels = output_shape(blocks)[0]
    for index, (expansion, outputs, repeats, stride) in enumerate(STAGES):
        inner = 0 < index < len(STAGES) - 1
        outputs = divisible(outputs * width)  # noqa: PLW2901
        first = InvertedResidual(
            expanded=expansion * channels,
            out_channels=outputs,
            kernel=3,
            stride=stride,
            function="relu6",
        )
        parts += stage(first, expansion * outputs, ceil(repeats * depth) if inner else repeats)
        channels = outputs
    blocks += inverted_residuals(output_shape(blocks), parts)
    last = HEAD if plain_ends else divisible(HEAD * max(1.0, width))
    blocks += [_last(output_shape(blocks), last)]
    blocks.append(classifier(output_shape(blocks), drop=True))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...], channels: int) -> Block:
    draft = Draft(shape)
    conv_norm_act(draft, "conv", out_channels=channels, kernel=3, stride=2, padding=1, function="relu6")
    return draft.block("stem")


def _last(shape: tuple[int, ...], channels: int) -> Block:
    draft = Draft(shape)
    conv_norm_act(draft, "conv", out_channels=channels, kernel=1, function="relu6")
    return draft.block("last")


_WIDTHS = {"035": 0.35, "050": 0.5, "075": 0.75, "140": 1.4}
_SCALED = {"110d": (1.1, 1.2), "120d": (1.2, 1.4)}

NETWORKS: dict[str, Callable[..., Network]] = {
    "mobilenet-v2": partial(build_mobilenet_v2, "mobilenet-v2"),
    **{
        f"mobilenet-v2-{text}": partial(build_mobilenet_v2, f"mobilenet-v2-{text}", width=width)
        for text, width in _WIDTHS.items()
    },
    **{
        f"mobilenet-v2-{text}": partial(
            build_mobilenet_v2, f"mobilenet-v2-{text}", width=width, depth=depth, plain_ends=True
        )
        for text, (width, depth) in _SCALED.items()
    },
}
ALIASES = {
    "mobilenetv2": "mobilenet-v2",
    "mobilenetv2_100": "mobilenet-v2",
    **{f"mobilenetv2_{text}": f"mobilenet-v2-{text}" for text in (*_WIDTHS, *_SCALED)},
}
