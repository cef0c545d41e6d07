"""Vision transformers: Dosovitskiy et al. 2020, arXiv:2010.11929, table 1; DeiT: Touvron et al. 2020.

An image of 16 x 16 (or 32 x 32, 14 x 14) patches, one trained token before them, learned positions, a
pre-normalised encoder without dropout, and a linear head on the first token. DeiT (arXiv:2012.12877, table 1)
has the same networks and two smaller ones.
"""

from collections.abc import Callable
from functools import partial

from workloads.errors import NetworkError
from workloads.layers.activation import tanh
from workloads.layers.classifier import softmax
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.images.convolution import convolution
from workloads.layers.linear import linear
from workloads.layers.tokens.tokens import class_token, first_token, layer_norm, trained_positions
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT, Tensor
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.layer import transformer_layers

SOURCE = "Dosovitskiy et al. 2020, arXiv:2010.11929, table 1"
SOURCE_DEIT = "Touvron et al. 2020, arXiv:2012.12877, table 1"
CLASSES = 1000


def build_vit(
    name: str,
    *,
    layers: int,
    hidden: int,
    heads: int,
    patch: int,
    source: str = SOURCE,
    image_size: int | None = None,
) -> Network:
    """A vision transformer with a feed-forward network of 4 x hidden.

    Args:
        name: registered name.
        layers: encoder blocks.
        hidden: features of a token.
        heads: attention heads, a divisor of ``hidden``.
        patch: [pixels] height and width of a patch.
        source: paper.
        image_size: [pixels] height and width, which patches divide; None for 224.

    Raises:
        NetworkError: patches do not divide the image.
    """
    size = 224 if image_size is None else image_size
    if size % patch:
        raise NetworkError([f"{name}: image size {size}: expected a multiple of the patches' {patch}"])
    tokens = (size // patch) ** 2 + 1
    config = _encoder(name, source, layers=layers, hidden=hidden, heads=heads, tokens=tokens)
    blocks = (
        _embedding((size, size), (patch, patch), config),
        Block(name="encoder", layers=transformer_layers(config), count=layers),
        _head(config),
    )
    return Network(
        name=name,
        blocks=drop_unused_gradients(blocks),
        source=source,
        sample="image",
        tensor_divisors=(heads, config.ffn),
        kv_heads=heads,
    )


def build_vit_encoder(
    config: DecoderConfig, *, image: tuple[int, int], patch: tuple[int, int], channels: int, pooled: int = 0
) -> Network:
    """A vision transformer without a classifier: a dense layer with tanh on the first token ends it.

    Args:
        config: of the encoder; its tokens are the patches and one more.
        image: [pixels] height and width.
        patch: [pixels] height and width.
        channels: of the image.
        pooled: features of that layer; 0 for as many as the encoder's.
    """
    encoded = Tensor(BLOCK_INPUT, (config.tokens, config.hidden))
    norm = layer_norm("norm", encoded)
    first = first_token("first", Tensor("norm", norm.output_shape))
    dense = linear("pooler", Tensor("first", first.output_shape), out_features=pooled or config.hidden)
    end = tanh("tanh", Tensor("pooler", dense.output_shape))
    blocks = (
        _embedding(image, patch, config, channels=channels),
        Block(name="encoder", layers=transformer_layers(config), count=config.layers),
        Block(name="pooler", layers=(norm, first, dense, end), recomputable=False),
    )
    return Network(
        name=config.name,
        blocks=drop_unused_gradients(blocks),
        source=config.source,
        sample="image",
        tensor_divisors=(config.heads, config.ffn),
        kv_heads=config.heads,
    )


def _encoder(name: str, source: str, *, layers: int, hidden: int, heads: int, tokens: int) -> DecoderConfig:
    return DecoderConfig(
        name=name,
        source=source,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=hidden // heads,
        ffn=4 * hidden,
        vocab=CLASSES,
        tokens=tokens,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions="none",
        bias=True,
        qkv_bias=True,
        tied=False,
        dropout=False,
        causal=False,
    )


def _embedding(
    size: tuple[int, int], patch: tuple[int, int], config: DecoderConfig, *, channels: int = 3
) -> Block:
    image = Tensor(BLOCK_INPUT, (channels, *size))
    patches = convolution("patches", image, out_channels=config.hidden, kernel=patch, stride=patch)
    tokens = class_token("class_token", Tensor("patches", patches.output_shape))
    positions = trained_positions("positions", Tensor("class_token", tokens.output_shape))
    return Block(name="embedding", layers=(patches, tokens, positions), recomputable=False)


def _head(config: DecoderConfig) -> Block:
    encoded = Tensor(BLOCK_INPUT, (config.tokens, config.hidden))
    norm = layer_norm("norm", encoded)
    first = first_token("first", Tensor("norm", norm.output_shape))
    logits = linear("fc", Tensor("first", first.output_shape), out_features=CLASSES)
    loss = softmax("loss", Tensor("fc", logits.output_shape))
    return Block(name="head", layers=(norm, first, logits, loss), recomputable=False)


_SIZES: dict[str, tuple[int, int, int, int, str]] = {
    "vit-ti16": (12, 192, 3, 16, SOURCE_DEIT),
    "vit-s16": (12, 384, 6, 16, SOURCE_DEIT),
    "vit-s32": (12, 384, 6, 32, SOURCE_DEIT),
    "vit-b16": (12, 768, 12, 16, SOURCE),
    "vit-b32": (12, 768, 12, 32, SOURCE),
    "vit-l16": (24, 1024, 16, 16, SOURCE),
    "vit-l32": (24, 1024, 16, 32, SOURCE),
    "vit-h14": (32, 1280, 16, 14, SOURCE),
}
"""Layers, hidden size, heads, patch and source."""
_NAMES = {"ti": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge"}

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_vit, name, layers=layers, hidden=hidden, heads=heads, patch=patch, source=source)
    for name, (layers, hidden, heads, patch, source) in _SIZES.items()
}


def _aliases() -> dict[str, str]:
    aliases: dict[str, str] = {}
    for name in _SIZES:
        letter, patch = name.removeprefix("vit-")[:-2], name[-2:]
        word = _NAMES[letter]
        aliases[f"vit-{letter}-{patch}"] = aliases[f"vit_{word}_patch{patch}_224"] = name
        if patch == "16" and letter in {"ti", "s", "b"}:
            aliases[f"deit-{word}"] = aliases[f"deit-{letter}"] = aliases[f"deit_{word}_patch16_224"] = name
            aliases[f"vit-{word}"] = name
        if name == "vit-l16":
            aliases["vit-large"] = name
    return aliases | {"vit-huge": "vit-h14"}


ALIASES = _aliases()
