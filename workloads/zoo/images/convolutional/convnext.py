"""ConvNeXt, tiny to large: Liu et al. 2022, arXiv:2201.03545, sections 2.4 to 2.6 and 3.

A block filters each channel alone with 7 x 7 pixels, normalises the channels of every pixel, widens them four
times and narrows them again by linear layers, scales by a trained vector and adds its input. Stages begin
with a normalisation and a 2 x 2 convolution of stride 2.
"""

from collections.abc import Callable, Sequence
from functools import partial

from workloads.layers.activation import activation
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import addition
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import global_pool
from workloads.layers.images.scaling import layer_scale
from workloads.layers.linear import linear
from workloads.layers.tokens.tokens import layer_norm, to_maps, to_tokens, token_linear
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Liu et al. 2022, arXiv:2201.03545, section 3"
EXPANSION = 4


def build_convnext(
    name: str, *, widths: Sequence[int], depths: Sequence[int], image_size: int | None = None
) -> Network:
    """A ConvNeXt.

    Args:
        name: registered name.
        widths: channels of each stage.
        depths: blocks of each stage.
        image_size: [pixels] height and width; None for 224.

    Raises:
        NetworkError: the image is too small.
    """
    size = 224 if image_size is None else image_size
    blocks = [_stem((3, size, size), widths[0])]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        if stage > 1:
            blocks.append(_reduction(f"reduction{stage}", output_shape(blocks), width))
        blocks.append(_block(f"stage{stage}", output_shape(blocks), depth))
    blocks.append(_head(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def _stem(shape: tuple[int, ...], width: int) -> Block:
    draft = Draft(shape)
    draft.add(convolution, "conv", out_channels=width, kernel=4, stride=4)
    _norm_maps(draft, "norm")
    return draft.block("stem")


def _reduction(name: str, shape: tuple[int, ...], width: int) -> Block:
    draft = Draft(shape)
    _norm_maps(draft, "norm")
    draft.add(convolution, "conv", out_channels=width, kernel=2, stride=2)
    return draft.block(name)


def _block(name: str, shape: tuple[int, ...], count: int) -> Block:
    channels, height, width = shape
    draft = Draft(shape)
    draft.add(convolution, "depthwise", out_channels=channels, kernel=7, padding=3, groups=channels)
    draft.add(to_tokens, "tokens")
    draft.add(layer_norm, "norm")
    draft.add(token_linear, "up", out_features=EXPANSION * channels)
    draft.add(activation, "gelu", function="gelu")
    draft.add(token_linear, "down", out_features=channels)
    draft.add(layer_scale, "scale", axis=1)
    draft.add(to_maps, "maps", height=height, width=width)
    draft.add(addition, "add", draft.last, BLOCK_INPUT)
    return draft.block(name, count=count)


def _norm_maps(draft: Draft, name: str) -> None:
    """The channels of every pixel."""
    _, height, width = draft.shape
    draft.add(to_tokens, f"{name}_tokens")
    draft.add(layer_norm, name)
    draft.add(to_maps, f"{name}_maps", height=height, width=width)


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(global_pool, "pool")
    draft.add(to_tokens, "vector")
    draft.add(layer_norm, "norm")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


_SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3)),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3)),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3)),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3)),
}

NETWORKS: dict[str, Callable[..., Network]] = {
    f"convnext-{size}": partial(build_convnext, f"convnext-{size}", widths=widths, depths=depths)
    for size, (widths, depths) in _SIZES.items()
}

ALIASES = {f"convnext-{size[0]}": f"convnext-{size}" for size in _SIZES}
