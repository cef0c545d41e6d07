"""EfficientNet B0 to B7: Tan and Le 2019, arXiv:1905.11946, table 1, scaled as its released code does.

EfficientNetV2-S, M, L: Tan and Le 2021, arXiv:2104.00298, section 3.3 and table 4. Image sizes are those of
the published weights (B0 to B7: 224, 240, 288, 300, 380, 456, 528, 600; V2-S: 384, M and L: 480). The gate is
squeezed to a quarter of a block's input channels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil

from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.images.compound import classifier, conv_norm_act
from workloads.layers.images.inverted_residual import InvertedResidual, divisible, inverted_residuals
from workloads.network import Network

SOURCE = "Tan and Le 2019, arXiv:1905.11946, table 1"
SOURCE_V2 = "Tan and Le 2021, arXiv:2104.00298, table 4"
Row = tuple[int, int, int, int, int, bool]

STAGES: tuple[Row, ...] = (
    (1, 3, 1, 16, 1, False),
    (6, 3, 2, 24, 2, False),
    (6, 5, 2, 40, 2, False),
    (6, 3, 2, 80, 3, False),
    (6, 5, 1, 112, 3, False),
    (6, 5, 2, 192, 4, False),
    (6, 3, 1, 320, 1, False),
)
"""Expansion, filter, first stride, output channels, blocks and whether they are fused (then without gate)."""
STAGES_V2: dict[str, tuple[tuple[Row, ...], int]] = {
    "s": (
        (
            (1, 3, 1, 24, 2, True),
            (4, 3, 2, 48, 4, True),
            (4, 3, 2, 64, 4, True),
            (4, 3, 2, 128, 6, False),
            (6, 3, 1, 160, 9, False),
            (6, 3, 2, 256, 15, False),
        ),
        384,
    ),
    "m": (
        (
            (1, 3, 1, 24, 3, True),
            (4, 3, 2, 48, 5, True),
            (4, 3, 2, 80, 5, True),
            (4, 3, 2, 160, 7, False),
            (6, 3, 1, 176, 14, False),
            (6, 3, 2, 304, 18, False),
            (6, 3, 1, 512, 5, False),
        ),
        480,
    ),
    "l": (
        (
            (1, 3, 1, 32, 4, True),
            (4, 3, 2, 64, 7, True),
            (4, 3, 2, 96, 7, True),
            (4, 3, 2, 192, 10, False),
            (6, 3, 1, 224, 19, False),
            (6, 3, 2, 384, 25, False),
            (6, 3, 1, 640, 7, False),
        ),
        480,
    ),
}
"""Stages of the second version by size, and the image size [pixels] of the published weights."""
SCALES = {
    0: (1.0, 1.0, 224),
    1: (1.0, 1.1, 240),
    2: (1.1, 1.2, 288),
    3: (1.2, 1.4, 300),
    4: (1.4, 1.8, 380),
    5: (1.6, 2.2, 456),
    6: (1.8, 2.6, 528),
    7: (2.0, 3.1, 600),
}
"""Width and depth multiplier and image size [pixels] of each variant."""
STEM, HEAD = 32, 1280


def build_efficientnet(name: str, *, variant: int, image_size: int | None = None) -> Network:
    """EfficientNet of a variant 0 to 7.

    Args:
        name: registered name.
        variant: key of ``SCALES``.
        image_size: [pixels] height and width; None for the variant's own.

    Raises:
        NetworkError: the image is too small.
    """
    width, depth, own = SCALES[variant]
    rows = [
        (expansion, kernel, stride, divisible(channels * width), ceil(count * depth), fused)
        for expansion, kernel, stride, channels, count, fused in STAGES
    ]
    ends = divisible(STEM * width), 4 * rows[-1][3]
    return _build(name, rows, ends, own if image_size is None else image_size, SOURCE)


def build_efficientnet_v2(name: str, *, variant: str, image_size: int | None = None) -> Network:
    """EfficientNetV2 of a size.

    Args:
        name: registered name.
        variant: key of ``STAGES_V2``.
        image_size: [pixels] height and width; None for the variant's own.

    Raises:
        NetworkError: the image is too small.
    """
    rows, own = STAGES_V2[variant]
    return _build(name, rows, (rows[0][3], HEAD), own if image_size is None else image_size, SOURCE_V2)


def _build(name: str, rows: Sequence[Row], ends: tuple[int, int], size: int, source: str) -> Network:
    stem = Draft((3, size, size))
    conv_norm_act(stem, "conv", out_channels=ends[0], kernel=3, stride=2, padding=1, function="silu")
    blocks = [stem.block("stem")]
    blocks += inverted_residuals(output_shape(blocks), _parts(rows, ends[0]))
    last = Draft(output_shape(blocks))
    conv_norm_act(last, "conv", out_channels=ends[1], kernel=1, function="silu")
    blocks.append(last.block("last"))
    blocks.append(classifier(output_shape(blocks), drop=True))
    return build_image_network(name, blocks, source=source)


def _parts(rows: Sequence[Row], channels: int) -> list[InvertedResidual]:
    parts: list[InvertedResidual] = []
    for expansion, kernel, stride, outputs, count, fused in rows:
        for index in range(count):
            parts.append(
                InvertedResidual(
                    expanded=divisible(expansion * channels),
                    out_channels=outputs,
                    kernel=kernel,
                    stride=1 if index else stride,
                    function="silu",
                    squeezed=0 if fused else max(1, channels // 4),
                    squeeze_function="silu",
                    fused=fused,
                )
            )
            channels = outputs
    return parts


NETWORKS: dict[str, Callable[..., Network]] = {
    **{
        f"efficientnet-b{variant}": partial(build_efficientnet, f"efficientnet-b{variant}", variant=variant)
        for variant in SCALES
    },
    **{
        f"efficientnet-v2-{variant}": partial(
            build_efficientnet_v2, f"efficientnet-v2-{variant}", variant=variant
        )
        for variant in STAGES_V2
    },
}
ALIASES = {
    **{f"tf_efficientnet_b{variant}": f"efficientnet-b{variant}" for variant in SCALES},
    **{f"efficientnetv2_{variant}": f"efficientnet-v2-{variant}" for variant in STAGES_V2},
    **{f"tf_efficientnetv2_{variant}": f"efficientnet-v2-{variant}" for variant in STAGES_V2},
}
