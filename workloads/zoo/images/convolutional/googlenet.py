"""GoogLeNet: Szegedy et al. 2014, arXiv:1409.4842, table 1, without the auxiliary classifiers.

``googlenet`` rounds the sizes after its 3 x 3 stride-2 poolings down (56-27-13-6 maps become 55-27-13-6),
which is how Sze et al. 2017 (arXiv:1703.09039, table 2) arrive at 1.43 G multiply-adds. ``googlenet-ceil``
rounds them up as the paper's table and Caffe do (56-28-14-7, 1.58 G). ``googlenet-bn`` is torchvision's:
batch normalisation and 3 x 3 filters in the 5 x 5 branch. Response normalisation is in the first two, after
the first two stages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.elementwise import concatenation
from workloads.layers.images.compound import conv_norm_relu, conv_relu
from workloads.layers.images.normalization import local_response_norm
from workloads.layers.images.pooling import global_pool, max_pool
from workloads.layers.linear import linear
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Szegedy et al. 2014, arXiv:1409.4842, table 1"

Widths = tuple[int, int, int, int, int, int]
"""Channels of an inception module: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection."""

STAGES: tuple[dict[str, Widths], ...] = (
    {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64)},
    {
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
    },
    {"5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How an implementation departs from the table.

    Attributes:
        ceil: poolings round their output size up.
        batch_norm: normalises after every convolution, without bias and response normalisation.
        wide: filter size of the 5 x 5 branch.
    """

    ceil: bool
    batch_norm: bool = False
    wide: int = 5


VARIANTS = {
    "googlenet": Variant(ceil=False),
    "googlenet-ceil": Variant(ceil=True),
    "googlenet-bn": Variant(ceil=True, batch_norm=True, wide=3),
}


def build_googlenet(name: str, *, variant: Variant, image_size: int | None = None) -> Network:
    """GoogLeNet.

    Args:
        name: registered name.
        variant: implementation.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = list(_stem((3, size, size), variant))
    for index, stage in enumerate(STAGES):
        *_, last = stage
        for module, widths in stage.items():
            pooled = module == last and index + 1 < len(STAGES)
            shape = blocks[-1].layers[-1].output_shape
            blocks.append(_inception(module, shape, widths, variant, pooled=pooled))
    blocks.append(_head(blocks[-1].layers[-1].output_shape))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...], variant: Variant) -> tuple[Block, ...]:
    draft = Draft(shape)
    conv = conv_norm_relu if variant.batch_norm else conv_relu
    conv(draft, "conv1", out_channels=64, kernel=7, stride=2, padding=3)
    draft.add(max_pool, "pool1", kernel=3, stride=2, ceil=variant.ceil)
    if not variant.batch_norm:
        draft.add(local_response_norm, "norm1")
    conv(draft, "conv2_reduce", out_channels=64, kernel=1)
    conv(draft, "conv2", out_channels=192, kernel=3, padding=1)
    if not variant.batch_norm:
        draft.add(local_response_norm, "norm2")
    draft.add(max_pool, "pool2", kernel=3, stride=2, ceil=variant.ceil)
    return draft.blocks()


def _inception(name: str, shape: tuple[int, ...], widths: Widths, variant: Variant, *, pooled: bool) -> Block:
    draft = Draft(shape)
    conv = conv_norm_relu if variant.batch_norm else conv_relu
    wide = variant.wide
    single = conv(draft, "1x1", BLOCK_INPUT, out_channels=widths[0], kernel=1)
    conv(draft, "3x3_reduce", BLOCK_INPUT, out_channels=widths[1], kernel=1)
    three = conv(draft, "3x3", out_channels=widths[2], kernel=3, padding=1)
    conv(draft, "5x5_reduce", BLOCK_INPUT, out_channels=widths[3], kernel=1)
    five = conv(draft, "5x5", out_channels=widths[4], kernel=wide, padding=wide // 2)
    draft.add(max_pool, "pool", BLOCK_INPUT, kernel=3, stride=1, padding=1)
    projected = conv(draft, "pool_proj", out_channels=widths[5], kernel=1)
    draft.add(concatenation, "concat", single, three, five, projected)
    if pooled:
        draft.add(max_pool, "pool_out", kernel=3, stride=2, ceil=variant.ceil)
    return draft.block(f"inception_{name}")


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(global_pool, "pool")
    draft.add(dropout, "drop")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_googlenet, name, variant=variant) for name, variant in VARIANTS.items()
}
