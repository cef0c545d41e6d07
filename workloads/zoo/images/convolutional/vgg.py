"""VGG-11, 13, 16, 19: Simonyan and Zisserman 2014, arXiv:1409.1556, table 1, columns A, B, D, E.

``vggN-bn`` normalises behind every convolution, which keeps its bias, as torchvision has it.
"""

from collections.abc import Callable
from functools import partial

from workloads.layers.activation import relu
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.dropout import dropout
from workloads.layers.images.compound import conv_relu, linear_relu
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Network

CHANNELS = (64, 128, 256, 512, 512)
"""Output channels of the convolutions of each stage; a 2 x 2 maximum pooling ends the stage."""

DEPTHS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions in each stage, by the number of weight layers."""


def build_vgg(name: str, *, weight_layers: int, norm: bool = False) -> Network:
    """A VGG.

    Args:
        name: registered name.
        weight_layers: 11, 13, 16 or 19.
        norm: batch normalisation behind every convolution.
    """
    convolve = _conv_norm_relu if norm else conv_relu
    draft = Draft((3, 224, 224))
    for stage, (channels, depth) in enumerate(zip(CHANNELS, DEPTHS[weight_layers], strict=True), start=1):
        for index in range(1, depth + 1):
            convolve(draft, f"conv{stage}_{index}", out_channels=channels, kernel=3, padding=1)
        draft.add(max_pool, f"pool{stage}", kernel=2)
    for number in ("6", "7"):
        linear_relu(draft, f"fc{number}", out_features=4096)
        draft.add(dropout, f"drop{number}")
    draft.add(linear, "fc8", out_features=1000)
    draft.add(softmax, "loss")
    return build_image_network(
        name, draft.blocks(), source="Simonyan and Zisserman 2014, arXiv:1409.1556, table 1"
    )


def _conv_norm_relu(draft: Draft, name: str, **options: int) -> str:
    draft.add(convolution, name, **options)
    draft.add(batch_norm, f"{name}_norm")
    return draft.add(relu, f"{name}_relu")


NETWORKS: dict[str, Callable[..., Network]] = {
    **{f"vgg{n}": partial(build_vgg, f"vgg{n}", weight_layers=n) for n in DEPTHS},
    **{f"vgg{n}-bn": partial(build_vgg, f"vgg{n}-bn", weight_layers=n, norm=True) for n in DEPTHS},
}
