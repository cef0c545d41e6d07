"""MLP-Mixer: Tolstikhin et al. 2021, arXiv:2105.01601, table 1.

Patches of 16 x 16 or 32 x 32 pixels; each layer mixes tokens (a two-layer perceptron on the transposed
tokens, half as wide as a token) and then features (four times as wide); a linear head on the mean token.
"""

from collections.abc import Callable
from functools import partial

from workloads.errors import NetworkError
from workloads.layers.activation import activation
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network, output_shape
from workloads.layers.elementwise import addition
from workloads.layers.images.convolution import convolution
from workloads.layers.linear import linear
from workloads.layers.tokens.tokens import layer_norm, to_tokens, token_linear, token_mean, transpose_tokens
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT

SOURCE = "Tolstikhin et al. 2021, arXiv:2105.01601, table 1"


def build_mixer(name: str, *, layers: int, hidden: int, patch: int, image_size: int | None = None) -> Network:
    """An MLP-Mixer.

    Args:
        name: registered name.
        layers: mixer layers.
        hidden: features of a token.
        patch: [pixels] height and width of a patch.
        image_size: [pixels] height and width, which patches divide; None for 224.

    Raises:
        NetworkError: patches do not divide the image.
    """
    size = 224 if image_size is None else image_size
    if size % patch:
        raise NetworkError([f"{name}: image size {size}: expected a multiple of the patches' {patch}"])
    blocks = [_patches(size, patch, hidden)]
    blocks.append(_mixer(output_shape(blocks), layers))
    blocks.append(_head(output_shape(blocks)))
    return build_image_network(name, blocks, source=SOURCE)


def _patches(size: int, patch: int, hidden: int) -> Block:
    draft = Draft((3, size, size))
    draft.add(convolution, "patches", out_channels=hidden, kernel=patch, stride=patch)
    draft.add(to_tokens, "tokens")
    return draft.block("embedding")


def _mixer(shape: tuple[int, ...], count: int) -> Block:
    tokens, hidden = shape
    draft = Draft(shape)
    draft.add(layer_norm, "norm1", reads="products")
    draft.add(transpose_tokens, "transpose")
    _perceptron(draft, "tokens", width=hidden // 2, out_features=tokens)
    draft.add(transpose_tokens, "transpose_back")
    mixed = draft.add(addition, "add1", draft.last, BLOCK_INPUT)
    draft.add(layer_norm, "norm2", reads="products")
    _perceptron(draft, "features", width=4 * hidden, out_features=hidden)
    draft.add(addition, "add2", draft.last, mixed)
    return draft.block("mixer", count=count)


def _perceptron(draft: Draft, name: str, *, width: int, out_features: int) -> None:
    draft.add(token_linear, f"{name}_up", out_features=width)
    draft.add(activation, f"{name}_gelu", function="gelu")
    draft.add(token_linear, f"{name}_down", out_features=out_features)


def _head(shape: tuple[int, ...]) -> Block:
    draft = Draft(shape)
    draft.add(layer_norm, "norm", reads="products")
    draft.add(token_mean, "mean")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


_SIZES = {"s": (8, 512), "b": (12, 768), "l": (24, 1024)}
"""Layers and features by size."""

NETWORKS: dict[str, Callable[..., Network]] = {
    f"mixer-{size}{patch}": partial(
        build_mixer, f"mixer-{size}{patch}", layers=layers, hidden=hidden, patch=patch
    )
    for size, (layers, hidden) in _SIZES.items()
    for patch in (16, 32)
}
ALIASES = {f"mixer_{size}{patch}_224": f"mixer-{size}{patch}" for size in _SIZES for patch in (16, 32)} | {
    f"mlp-mixer-{size}{patch}": f"mixer-{size}{patch}" for size in _SIZES for patch in (16, 32)
}
