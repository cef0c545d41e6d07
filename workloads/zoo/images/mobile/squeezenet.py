"""SqueezeNet 1.0 and 1.1: Iandola et al. 2016, arXiv:1602.07360, table 1, and the authors' released 1.1."""

from collections.abc import Callable
from functools import partial

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.dropout import dropout
from workloads.layers.elementwise import concatenation
from workloads.layers.images.compound import conv_relu
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import global_pool, max_pool
from workloads.network import Block, Network

SOURCE = "Iandola et al. 2016, arXiv:1602.07360, table 1"
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Squeezed channels, and those of each of the two expanding convolutions."""
STEMS = {"1.0": (96, 7), "1.1": (64, 3)}
"""Channels and filter of the first convolution."""
POOLS = {"1.0": (0, 3, 7), "1.1": (0, 2, 4)}
"""Fire modules before each 3 x 3 pooling."""


def build_squeezenet(name: str, *, version: str, image_size: int | None = None) -> Network:
    """A SqueezeNet.

    Args:
        name: registered name.
        version: ``1.0`` or ``1.1``.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    channels, kernel = STEMS[version]
    stem = Draft((3, size, size))
    conv_relu(stem, "conv1", out_channels=channels, kernel=kernel, stride=2)
    blocks = [stem.block("conv1")]
    for index, (squeezed, expanded) in enumerate(FIRES):
        draft = Draft(output_shape(blocks))
        if index in POOLS[version]:
            draft.add(max_pool, "pool", kernel=3, stride=2, ceil=True)
        _fire(draft, squeezed, expanded)
        blocks.append(draft.block(f"fire{index + 2}"))
    blocks.append(_head(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def _fire(draft: Draft, squeezed: int, expanded: int) -> None:
    """1 x 1 convolution, then 1 x 1 and 3 x 3 convolutions side by side."""
    source = conv_relu(draft, "squeeze", out_channels=squeezed, kernel=1)
    left = conv_relu(draft, "expand1", source, out_channels=expanded, kernel=1)
    right = conv_relu(draft, "expand3", source, out_channels=expanded, kernel=3, padding=1)
    draft.add(concatenation, "concat", left, right)


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(dropout, "dropout")
    draft.add(convolution, "conv10", out_channels=1000, kernel=1)
    draft.add(relu, "conv10_relu")
    draft.add(global_pool, "pool")
    draft.add(softmax, "loss")
    return draft.block("head")


NETWORKS: dict[str, Callable[..., Network]] = {
    f"squeezenet-{version}": partial(build_squeezenet, f"squeezenet-{version}", version=version)
    for version in STEMS
}
ALIASES = {f"squeezenet{version.replace('.', '_')}": f"squeezenet-{version}" for version in STEMS}
