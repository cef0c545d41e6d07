"""Residual networks: He, Zhang, Ren, Sun 2015, arXiv:1512.03385, table 1, and what grew from them.

``resnetN`` puts the stride of a bottleneck in its first 1 x 1 convolution, as the paper does (ResNet-50:
3.9 G multiply-adds); ``resnetN-v1.5`` puts it in the 3 x 3 convolution, as torchvision and NVIDIA's
training scripts do (4.1 G). Parameters are the same. Networks of two 3 x 3 convolutions a block (18, 34) have
one form, known by both names.

Variants of v1.5: ResNeXt (Xie et al. 2016, arXiv:1611.05431, table 1: the 3 x 3 convolution in groups), wide
residual networks (Zagoruyko and Komodakis 2016, arXiv:1605.07146: twice the inner width), ResNet-D (He et al.
2018, arXiv:1812.01187, figure 2: three 3 x 3 convolutions as stem, average pooling before the projection of a
shortcut) and gated ones (Hu et al. 2018, arXiv:1709.01507, table 1). ResNet-26 has two bottlenecks a stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from workloads.convergence import Convergence
from workloads.layer import Layer
from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import addition
from workloads.layers.images.compound import classifier, conv_norm, conv_norm_relu, squeeze_excitation
from workloads.layers.images.inverted_residual import divisible
from workloads.layers.images.normalization import batch_norm, frozen_norm
from workloads.layers.images.pooling import average_pool, max_pool
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "He et al. 2015, arXiv:1512.03385, table 1"
RESNEXT_SOURCE = "Xie et al. 2016, arXiv:1611.05431, table 1"
WIDE_SOURCE = "Zagoruyko and Komodakis 2016, arXiv:1605.07146, table 9"
D_SOURCE = "He et al. 2018, arXiv:1812.01187, figure 2"
GATED_SOURCE = "Hu et al. 2018, arXiv:1709.01507, table 1"
EXPANSION = 4
"""Output channels of a bottleneck over its inner width (of one group of 64)."""
FROZEN = ("conv1", "pool1", "conv2_")
"""Starts of the names of stem and first stage, which detectors do not train on."""
SQUEEZE = 16
"""Output channels of a block over those inside its gate, which are rounded to eights (timm)."""

Depths = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A kind of residual network.

    Attributes:
        bottleneck: 1 x 1, 3 x 3, 1 x 1 convolutions instead of two of 3 x 3.
        stride_first: a bottleneck's stride is in its first convolution, not in the 3 x 3.
        groups: of the 3 x 3 convolution.
        base_width: channels of a group in the first stage.
        refined: ResNet-D's stem and shortcuts.
        gated: squeeze and excitation before the addition.
        frozen: normalisation keeps the statistics, scale and shift of an earlier training (detectors).
    """

    bottleneck: bool = True
    stride_first: bool = False
    groups: int = 1
    base_width: int = 64
    refined: bool = False
    gated: bool = False
    frozen: bool = False

    @property
    def norm(self) -> Callable[..., Layer]:
        """Builder of its normalisation."""
        return frozen_norm if self.frozen else batch_norm

    def inner(self, width: int) -> int:
        """Channels inside a bottleneck of a stage of this width (64 in the first)."""
        return width * self.base_width // 64 * self.groups


BASIC: dict[int, Depths] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK: dict[int, Depths] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Residual blocks of each stage, by the number of weight layers."""


def build_resnet(
    name: str, *, depths: Depths, residual: Residual, source: str = SOURCE, image_size: int | None = None
) -> Network:
    """A residual network.

    Args:
        name: registered name.
        depths: residual blocks in each of the four stages.
        residual: their kind.
        source: paper.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = residual_trunk((3, size, size), depths=depths, residual=residual)
    blocks.append(classifier(output_shape(blocks)))
    return build_image_network(name, blocks, source=source)


def residual_trunk(shape: tuple[int, ...], *, depths: tuple[int, ...], residual: Residual) -> list[Block]:
    """Stem and stages of a residual network, without its head.

    Args:
        shape: (channels, height, width) of an image.
        depths: residual blocks in each stage, at most four.
        residual: their kind.

    Raises:
        NetworkError: the image is too small.
    """
    blocks = [_refined_stem(shape) if residual.refined else _stem(shape)]
    for stage, depth in enumerate(depths, start=2):
        width = 64 * 2 ** (stage - 2)
        stride = 1 if stage == 2 else 2
        shape = output_shape(blocks)
        blocks.append(residual_block(f"conv{stage}_1", shape, residual, width=width, stride=stride))
        shape = output_shape(blocks)
        blocks.append(residual_block(f"conv{stage}_x", shape, residual, width=width, count=depth - 1))
    return blocks


def add_stages(
    draft: Draft, residual: Residual, *, depths: tuple[int, ...], last_stride: int = 2
) -> list[str]:
    """Adds stem and stages to a draft, for networks that read several stages; returns their outputs' names.

    Args:
        draft: to add to.
        residual: kind of block.
        depths: residual blocks in each stage, at most four.
        last_stride: of the last stage.

    Raises:
        NetworkError: the image is too small.
    """
    _plain_stem(draft, residual)
    outputs = []
    for stage, depth in enumerate(depths, start=2):
        stride = 1 if stage == 2 else last_stride if stage == len(depths) + 1 else 2
        for index in range(1, depth + 1):
            prefix = f"conv{stage}_{index}_"
            step = stride if index == 1 else 1
            add_residual(draft, prefix, residual, width=64 * 2 ** (stage - 2), stride=step, source=draft.last)
        outputs.append(draft.last)
    return outputs


def _stem(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    _plain_stem(draft, PLAIN)
    return draft.block("conv1")


def _plain_stem(draft: Draft, residual: Residual) -> None:
    conv_norm_relu(draft, "conv1", norm=residual.norm, out_channels=64, kernel=7, stride=2, padding=3)
    draft.add(max_pool, "pool1", kernel=3, stride=2, padding=1)


def _refined_stem(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv1a", out_channels=32, kernel=3, stride=2, padding=1)
    conv_norm_relu(draft, "conv1b", out_channels=32, kernel=3, padding=1)
    conv_norm_relu(draft, "conv1c", out_channels=64, kernel=3, padding=1)
    draft.add(max_pool, "pool1", kernel=3, stride=2, padding=1)
    return draft.block("conv1")


def residual_block(
    name: str, shape: tuple[int, ...], residual: Residual, *, width: int, stride: int = 1, count: int = 1
) -> Block:
    """A residual block, ``count`` times.

    Args:
        name: of the block.
        shape: of its input.
        residual: its kind.
        width: 64 in the first stage, doubled in each further one.
        stride: of the block.
        count: how many follow one another.

    Raises:
        NetworkError: the maps are too small.
    """
    draft = Draft(shape)
    add_residual(draft, "", residual, width=width, stride=stride)
    return draft.block(name, count=count)


def add_residual(
    draft: Draft, prefix: str, residual: Residual, *, width: int, stride: int, source: str = BLOCK_INPUT
) -> str:
    """Adds a residual block to a draft; returns the name of its output.

    Args:
        draft: to add to.
        prefix: of the layers' names.
        residual: kind of block.
        width: 64 in the first stage, doubled in each further one.
        stride: of the block.
        source: layer that it reads.

    Raises:
        NetworkError: the maps are too small.
    """
    out_channels = width * (EXPANSION if residual.bottleneck else 1)
    shortcut = source
    if stride > 1 or draft.shape_of(source)[0] != out_channels:
        shortcut = _shortcut(draft, prefix, residual, out_channels=out_channels, stride=stride, source=source)
    branch = _bottleneck if residual.bottleneck else _basic
    output = branch(draft, prefix, residual, width=width, stride=stride, source=source)
    if residual.gated:
        output = squeeze_excitation(draft, f"{prefix}se", squeezed=divisible(out_channels // SQUEEZE))
    draft.add(addition, f"{prefix}add", output, shortcut)
    return draft.add(relu, f"{prefix}add_relu")


def _shortcut(
    draft: Draft, prefix: str, residual: Residual, *, out_channels: int, stride: int, source: str
) -> str:
    name, norm = f"{prefix}shortcut", residual.norm
    if residual.refined and stride > 1:
        source = draft.add(average_pool, f"{name}_pool", source, kernel=2, stride=stride, ceil=True)
        stride = 1
    return conv_norm(draft, name, source, norm=norm, out_channels=out_channels, kernel=1, stride=stride)


def _basic(draft: Draft, prefix: str, residual: Residual, *, width: int, stride: int, source: str) -> str:
    options: dict[str, Any] = {"norm": residual.norm, "out_channels": width, "kernel": 3, "padding": 1}
    conv_norm_relu(draft, f"{prefix}conv1", source, stride=stride, **options)
    return conv_norm(draft, f"{prefix}conv2", **options)


def _bottleneck(
    draft: Draft, prefix: str, residual: Residual, *, width: int, stride: int, source: str
) -> str:
    first, second = (stride, 1) if residual.stride_first else (1, stride)
    options: dict[str, Any] = {"norm": residual.norm, "out_channels": residual.inner(width)}
    conv_norm_relu(draft, f"{prefix}conv1", source, kernel=1, stride=first, **options)
    conv_norm_relu(
        draft, f"{prefix}conv2", kernel=3, stride=second, padding=1, groups=residual.groups, **options
    )
    return conv_norm(draft, f"{prefix}conv3", norm=residual.norm, out_channels=EXPANSION * width, kernel=1)


PAPER = Residual(stride_first=True)
PLAIN = Residual()
_VARIANTS: dict[str, tuple[Depths, Residual, str]] = {
    **{f"resnet{n}": (depths, Residual(bottleneck=False), SOURCE) for n, depths in BASIC.items()},
    **{f"resnet{n}": (depths, PAPER, SOURCE) for n, depths in BOTTLENECK.items()},
    **{f"resnet{n}-v1.5": (depths, PLAIN, SOURCE) for n, depths in BOTTLENECK.items()},
    "resnet26": ((2, 2, 2, 2), PLAIN, SOURCE),
    "resnext50-32x4d": (BOTTLENECK[50], Residual(groups=32, base_width=4), RESNEXT_SOURCE),
    "resnext101-32x4d": (BOTTLENECK[101], Residual(groups=32, base_width=4), RESNEXT_SOURCE),
    "resnext101-32x8d": (BOTTLENECK[101], Residual(groups=32, base_width=8), RESNEXT_SOURCE),
    "resnext101-64x4d": (BOTTLENECK[101], Residual(groups=64, base_width=4), RESNEXT_SOURCE),
    "wide-resnet50-2": (BOTTLENECK[50], Residual(base_width=128), WIDE_SOURCE),
    "wide-resnet101-2": (BOTTLENECK[101], Residual(base_width=128), WIDE_SOURCE),
    **{
        f"resnet{n}-d": (depths, Residual(bottleneck=False, refined=True), D_SOURCE)
        for n, depths in BASIC.items()
    },
    **{
        f"resnet{n}-d": (depths, Residual(refined=True), D_SOURCE)
        for n, depths in ({26: (2, 2, 2, 2), 200: (3, 24, 36, 3)} | BOTTLENECK).items()
    },
    **{
        f"se-resnet{n}": (depths, Residual(bottleneck=False, gated=True), GATED_SOURCE)
        for n, depths in BASIC.items()
    },
    **{f"se-resnet{n}": (depths, Residual(gated=True), GATED_SOURCE) for n, depths in BOTTLENECK.items()},
    **{
        f"se-resnext{n}-32x4d": (BOTTLENECK[n], Residual(groups=32, base_width=4, gated=True), GATED_SOURCE)
        for n in (50, 101)
    },
}

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_resnet, name, depths=depths, residual=residual, source=source)
    for name, (depths, residual, source) in _VARIANTS.items()
}
ALIASES = {
    **{f"resnet{n}-v1.5": f"resnet{n}" for n in BASIC},
    **{f"resnet{n}d": f"resnet{n}-d" for n in (18, 26, 34, 50, 101, 152, 200)},
    **{f"seresnet{n}": f"se-resnet{n}" for n in (*BASIC, *BOTTLENECK)},
    **{f"seresnext{n}_32x4d": f"se-resnext{n}-32x4d" for n in (50, 101)},
}

EPOCH = 1_281_167  # images of ImageNet
RESNET50 = Convergence(
    points=tuple(
        (batch, epochs * EPOCH)
        for batch, epochs in (
            (1_632, 35.0),
            (3_264, 35.2),
            (4_096, 40.0),
            (8_192, 42.0),
            (13_056, 45.4),
            (32_768, 56.0),
            (35_840, 60.0),
            (49_152, 68.0),
            (58_880, 79.9),
            (65_536, 84.5),
        )
    ),
    target="75.9 % top-1 accuracy on ImageNet, LARS",
    source="MLPerf reference runs, mlcommons/logging 53bc4a27, rcp_checker/training_2.0.0/rcps_resnet.json",
)
CONVERGENCE: dict[str, Convergence] = {"resnet50": RESNET50, "resnet50-v1.5": RESNET50}
