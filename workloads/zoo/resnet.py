"""Residual networks: He, Zhang, Ren, Sun 2015, arXiv:1512.03385, table 1.

``resnetN`` puts the stride of a bottleneck in its first 1 x 1 convolution, as the paper does (ResNet-50:
3.9 G multiply-adds); ``resnetN-v1.5`` puts it in the 3 x 3 convolution, as torchvision and NVIDIA's
training scripts do (4.1 G). Parameters are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.compound import conv_norm, conv_norm_relu
from workloads.layers.draft import Draft, build_image_network
from workloads.layers.elementwise import addition
from workloads.layers.linear import linear
from workloads.layers.pooling import global_pool, max_pool
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "He et al. 2015, arXiv:1512.03385, table 1"
EXPANSION = 4
"""Output channels of a bottleneck over its inner width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A kind of residual block.

    Attributes:
        bottleneck: 1 x 1, 3 x 3, 1 x 1 convolutions instead of two of 3 x 3.
        stride_first: a bottleneck's stride is in its first convolution, not in the 3 x 3.
    """

    bottleneck: bool
    stride_first: bool = True


DEPTHS: dict[int, tuple[tuple[int, int, int, int], Residual]] = {
    18: ((2, 2, 2, 2), Residual(bottleneck=False)),
    34: ((3, 4, 6, 3), Residual(bottleneck=False)),
    50: ((3, 4, 6, 3), Residual(bottleneck=True)),
    101: ((3, 4, 23, 3), Residual(bottleneck=True)),
    152: ((3, 8, 36, 3), Residual(bottleneck=True)),
}


def build_resnet(
    name: str, *, depths: tuple[int, ...], residual: Residual, image_size: int | None = None
) -> Network:
    """A residual network.

    Args:
        name: registered name.
        depths: residual blocks in each of the four stages.
        residual: their kind.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size))]
    for stage, depth in enumerate(depths, start=2):
        width = 64 * 2 ** (stage - 2)
        stride = 1 if stage == 2 else 2
        shape = blocks[-1].layers[-1].output_shape
        blocks.append(_residual_block(f"conv{stage}_1", shape, residual, width=width, stride=stride))
        shape = blocks[-1].layers[-1].output_shape
        blocks.append(_residual_block(f"conv{stage}_x", shape, residual, width=width, count=depth - 1))
    blocks.append(_head(blocks[-1].layers[-1].output_shape))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    conv_norm_relu(draft, "conv1", out_channels=64, kernel=7, stride=2, padding=3)
    draft.add(max_pool, "pool1", kernel=3, stride=2, padding=1)
    return draft.block("conv1")


def _residual_block(
    name: str, shape: tuple[int, ...], residual: Residual, *, width: int, stride: int = 1, count: int = 1
) -> Block:
    draft = Draft(shape)
    out_channels = width * (EXPANSION if residual.bottleneck else 1)
    shortcut = BLOCK_INPUT
    if stride > 1 or shape[0] != out_channels:
        shortcut = conv_norm(draft, "shortcut", out_channels=out_channels, kernel=1, stride=stride)
    branch = _bottleneck if residual.bottleneck else _basic
    output = branch(draft, residual, width, stride)
    draft.add(addition, "add", output, shortcut)
    draft.add(relu, "add_relu")
    return draft.block(name, count=count)


def _basic(draft: Draft, _: Residual, width: int, stride: int) -> str:
    conv_norm_relu(draft, "conv1", BLOCK_INPUT, out_channels=width, kernel=3, stride=stride, padding=1)
    return conv_norm(draft, "conv2", out_channels=width, kernel=3, padding=1)


def _bottleneck(draft: Draft, residual: Residual, width: int, stride: int) -> str:
    first, second = (stride, 1) if residual.stride_first else (1, stride)
    conv_norm_relu(draft, "conv1", BLOCK_INPUT, out_channels=width, kernel=1, stride=first)
    conv_norm_relu(draft, "conv2", out_channels=width, kernel=3, stride=second, padding=1)
    return conv_norm(draft, "conv3", out_channels=EXPANSION * width, kernel=1)


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(global_pool, "pool")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


def _networks() -> dict[str, Callable[..., Network]]:
    networks: dict[str, Callable[..., Network]] = {}
    for layers, (depths, residual) in DEPTHS.items():
        name = f"resnet{layers}"
        networks[name] = partial(build_resnet, name, depths=depths, residual=residual)
        if residual.bottleneck:
            later = Residual(bottleneck=True, stride_first=False)
            networks[f"{name}-v1.5"] = partial(build_resnet, f"{name}-v1.5", depths=depths, residual=later)
    return networks


NETWORKS = _networks()
