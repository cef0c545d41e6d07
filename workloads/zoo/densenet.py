"""DenseNet-121: Huang et al. 2016, arXiv:1608.06993, table 1 (DenseNet-BC, growth 32).

A dense layer's block hands on the concatenation of its input and its 32 new maps. Every concatenation is a
tensor of its own and is kept for the normalisation that reads it, as frameworks without shared storage do.
"""

from collections.abc import Callable

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.compound import conv_norm_relu, norm_relu_conv
from workloads.layers.draft import Draft, build_image_network
from workloads.layers.elementwise import concatenation
from workloads.layers.linear import linear
from workloads.layers.normalization import batch_norm
from workloads.layers.pooling import average_pool, global_pool, max_pool
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

GROWTH = 32
DEPTHS = (6, 12, 24, 16)


def build_densenet121(*, image_size: int | None = None) -> Network:
    """DenseNet-121.

    Args:
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size))]
    for stage, depth in enumerate(DEPTHS, start=1):
        for index in range(1, depth + 1):
            blocks.append(_dense(f"dense{stage}_{index}", blocks[-1].layers[-1].output_shape))
        if stage < len(DEPTHS):
            blocks.append(_transition(f"transition{stage}", blocks[-1].layers[-1].output_shape))
    blocks.append(_head(blocks[-1].layers[-1].output_shape))
    return build_image_network("densenet121", blocks, source="Huang et al. 2016, arXiv:1608.06993, table 1")


def _stem(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv0", out_channels=2 * GROWTH, kernel=7, stride=2, padding=3)
    draft.add(max_pool, "pool0", kernel=3, stride=2, padding=1)
    return draft.block("stem")


def _dense(name: str, shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    norm_relu_conv(draft, "conv1", out_channels=4 * GROWTH, kernel=1)
    new = norm_relu_conv(draft, "conv2", out_channels=GROWTH, kernel=3, padding=1)
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


NETWORKS: dict[str, Callable[..., Network]] = {"densenet121": build_densenet121}
