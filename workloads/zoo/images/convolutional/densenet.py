"""DenseNet-121, 161, 169, 201: Huang et al. 2016, arXiv:1608.06993, table 1 (DenseNet-BC).

Growth is 32 maps a layer, 48 in DenseNet-161 (the authors' released model, as torchvision has it). A dense
layer's block hands on the concatenation of its input and its new maps. Every concatenation is a
tensor of its own and is kept for the normalisation that reads it, as frameworks without shared storage do.
"""

from collections.abc import Callable
from functools import partial

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import concatenation
from workloads.layers.images.compound import conv_norm_relu, norm_relu_conv
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import average_pool, global_pool, max_pool
from workloads.layers.linear import linear
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Huang et al. 2016, arXiv:1608.06993, table 1"
SIZES: dict[int, tuple[int, tuple[int, ...]]] = {
    121: (32, (6, 12, 24, 16)),
    161: (48, (6, 12, 36, 24)),
    169: (32, (6, 12, 32, 32)),
    201: (32, (6, 12, 48, 32)),
}
"""Growth and dense layers of each stage, by the number of weight layers."""


def build_densenet(name: str, *, weight_layers: int, image_size: int | None = None) -> Network:
    """A DenseNet-BC.

    Args:
        name: registered name.
        weight_layers: key of ``SIZES``.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    growth, depths = SIZES[weight_layers]
    blocks = [_stem((3, size, size), growth)]
    for stage, depth in enumerate(depths, start=1):
        for index in range(1, depth + 1):
            blocks.append(_dense(f"dense{stage}_{index}", output_shape(blocks), growth))
        if stage < len(depths):
            blocks.append(_transition(f"transition{stage}", output_shape(blocks)))
    blocks.append(_head(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...], growth: int) -> Block:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv0", out_channels=2 * growth, kernel=7, stride=2, padding=3)
    draft.add(max_pool, "pool0", kernel=3, stride=2, padding=1)
    return draft.block("stem")


def _dense(name: str, shape: tuple[int, ...], growth: int) -> Block:
    draft = Draft(shape)
    norm_relu_conv(draft, "conv1", out_channels=4 * growth, kernel=1)
    new = norm_relu_conv(draft, "conv2", out_channels=growth, kernel=3, padding=1)
    draft.add(concatenation, "concat", BLOCK_INPUT, new)
    return draft.block(name)


def _transition(name: str, shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    norm_relu_conv(draft, "conv", out_channels=shape[0] // 2, kernel=1)
    draft.add(average_pool, "pool", kernel=2)
    return draft.block(name)


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(batch_norm, "norm")
    draft.add(relu, "relu")
    draft.add(global_pool, "pool")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


NETWORKS: dict[str, Callable[..., Network]] = {
    f"densenet{n}": partial(build_densenet, f"densenet{n}", weight_layers=n) for n in SIZES
}
