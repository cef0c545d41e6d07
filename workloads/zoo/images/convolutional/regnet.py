"""RegNetX and RegNetY: Radosavovic et al. 2020, arXiv:2003.13678, sections 3.3 and 5.

The width of block j is u_j = w_0 + w_a j, quantised to w_0 w_m^s for whole s (equations 2 to 4) and to
eights; blocks of equal width are a stage, whose width is rounded to whole groups. RegNetY gates its
bottlenecks, squeezed to a quarter of the block's input channels.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from math import log

from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import addition
from workloads.layers.images.compound import classifier, conv_norm, conv_norm_relu, squeeze_excitation
from workloads.layers.images.inverted_residual import divisible
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Radosavovic et al. 2020, arXiv:2003.13678, section 5"
STEM = 32
QUANTUM = 8
Design = tuple[int, int, float, float, int]

X: dict[str, Design] = {
    "400mf": (22, 24, 24.48, 2.54, 16),
    "800mf": (16, 56, 35.73, 2.28, 16),
    "1.6gf": (18, 80, 34.01, 2.25, 24),
    "3.2gf": (25, 88, 26.31, 2.25, 48),
    "8gf": (23, 80, 49.56, 2.88, 120),
    "16gf": (22, 216, 55.59, 2.1, 128),
    "32gf": (23, 320, 69.86, 2.0, 168),
}
"""Blocks d, w_0, w_a, w_m and channels of a group, by forward work."""
Y: dict[str, Design] = {
    "400mf": (16, 48, 27.89, 2.09, 8),
    "800mf": (14, 56, 38.84, 2.4, 16),
    "1.6gf": (27, 48, 20.71, 2.65, 24),
    "3.2gf": (21, 80, 42.63, 2.66, 24),
    "8gf": (17, 192, 76.82, 2.19, 56),
    "16gf": (18, 200, 106.23, 2.48, 112),
    "32gf": (20, 232, 115.89, 2.53, 232),
    "128gf": (27, 456, 160.83, 2.52, 264),
}


def build_regnet(name: str, *, design: Design, gated: bool, image_size: int | None = None) -> Network:
    """A RegNet.

    Args:
        name: registered name.
        design: d, w_0, w_a, w_m and group width.
        gated: RegNetY.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    stem = Draft((3, size, size))
    conv_norm_relu(stem, "conv", out_channels=STEM, kernel=3, stride=2, padding=1)
    blocks = [stem.block("stem")]
    for index, (width, depth) in enumerate(stage_widths(design), start=1):
        for position, (stride, count) in enumerate(((2, 1), (1, depth - 1))):
            if count:
                part = f"stage{index}" + ("_rest" if position else "")
                blocks.append(
                    _bottleneck(
                        part,
                        output_shape(blocks),
                        width=width,
                        stride=stride,
                        groups=width // min(design[-1], width),
                        count=count,
                        gated=gated,
                    )
                )
    blocks.append(classifier(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def stage_widths(design: Design) -> list[tuple[int, int]]:
    """Channels and blocks of each stage."""
    depth, initial, slope, ratio, group = design
    widths = []
    for index in range(depth):
        step = round(log(1 + slope * index / initial) / log(ratio))
        widths.append(round(initial * ratio**step / QUANTUM) * QUANTUM)
    return [
        (divisible(width, min(group, width)), len(list(blocks))) for width, blocks in groupby(sorted(widths))
    ]


def _bottleneck(
    name: str, shape: tuple[int, ...], *, width: int, stride: int, groups: int, count: int, gated: bool
) -> Block:
    draft = Draft(shape)
    shortcut = BLOCK_INPUT
    if stride > 1 or shape[0] != width:
        shortcut = conv_norm(draft, "shortcut", out_channels=width, kernel=1, stride=stride)
    conv_norm_relu(draft, "conv1", BLOCK_INPUT, out_channels=width, kernel=1)
    conv_norm_relu(draft, "conv2", out_channels=width, kernel=3, stride=stride, padding=1, groups=groups)
    if gated:
        squeeze_excitation(draft, "se", squeezed=round(shape[0] / 4))
    output = conv_norm(draft, "conv3", out_channels=width, kernel=1)
    draft.add(addition, "add", output, shortcut)
    draft.add(relu, "add_relu")
    return draft.block(name, count=count)


NETWORKS: dict[str, Callable[..., Network]] = {
    f"regnet-{letter}-{size}": partial(
        build_regnet, f"regnet-{letter}-{size}", design=design, gated=letter == "y"
    )
    for letter, table in (("x", X), ("y", Y))
    for size, design in table.items()
}
TIMM = {
    "400mf": "004",
    "800mf": "008",
    "1.6gf": "016",
    "3.2gf": "032",
    "8gf": "080",
    "16gf": "160",
    "32gf": "320",
}
ALIASES = {
    **{name.replace("-", "_").replace(".", "_"): name for name in NETWORKS},
    **{f"regnety_{number}": f"regnet-y-{size}" for size, number in TIMM.items()},
    **{f"regnetx_{number}": f"regnet-x-{size}" for size, number in TIMM.items() if size != "400mf"},
}
