"""Swin transformers: Liu et al. 2021, arXiv:2103.14030, sections 3.1 to 3.3.

Patches of 4 x 4 pixels and their normalisation, four stages of blocks whose windows are shifted in every
second one, four neighbours merged into one token between stages, and a linear head on the mean token.
Variants ``-384`` have larger images and windows of 12 x 12.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.images.convolution import convolution
from workloads.layers.linear import linear
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.residual import residual_addition
from workloads.layers.tokens.attention import merge_heads, projection_split
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_norm import token_norm
from workloads.layers.tokens.tokens import layer_norm, merge_neighbours, to_tokens, token_linear, token_mean
from workloads.layers.tokens.window_attention import (
    split_window_heads,
    window_attention,
    window_core,
    windows,
)
from workloads.network import Block, Network

SOURCE = "Liu et al. 2021, arXiv:2103.14030, section 3.3"
PATCH, HEAD_SIZE, EXPANSION = 4, 32, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """``tokens`` tokens of ``hidden`` features in windows of ``window`` x ``window``."""

    tokens: int
    hidden: int
    window: int

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.hidden // HEAD_SIZE


def build_swin(
    name: str,
    *,
    hidden: int,
    depths: Sequence[int],
    window: int = 7,
    published_size: int = 224,
    image_size: int | None = None,
) -> Network:
    """A Swin transformer.

    Args:
        name: registered name.
        hidden: features of the first stage, doubled in each further one.
        depths: blocks of each stage.
        window: tokens on the side of a window.
        published_size: [pixels] of an image.
        image_size: [pixels] instead, such that windows divide the tokens of every stage.

    Raises:
        NetworkError: windows do not divide a stage.
    """
    size = published_size if image_size is None else image_size
    multiple = PATCH * 2 ** (len(depths) - 1) * window
    if size % multiple:
        raise NetworkError([f"{name}: image size {size}: expected a multiple of {multiple}"])
    side = size // PATCH
    blocks = [_patches(size, hidden)]
    stages = [
        Stage(tokens=(side // 2**place) ** 2, hidden=hidden * 2**place, window=window)
        for place in range(len(depths))
    ]
    for place, (stage, depth) in enumerate(zip(stages, depths, strict=True), start=1):
        if place > 1:
            blocks.append(_merging(f"merge{place}", stages[place - 2]))
        blocks += [
            Block(name=f"stage{place}_{index + 1}", layers=_block(stage, shifted=_shifts(stage, index)))
            for index in range(depth)
        ]
    blocks.append(_head(stages[-1]))
    return Network(
        name=name,
        blocks=drop_unused_gradients(blocks),
        source=SOURCE,
        sample="image",
        tensor_divisors=tuple(stage.heads for stage in stages),
        kv_heads=stages[0].heads,
    )


def _shifts(stage: Stage, index: int) -> bool:
    """Every second block, unless one window covers the stage."""
    return index % 2 == 1 and stage.tokens > stage.window**2


def _patches(size: int, hidden: int) -> Block:
    draft = Draft((3, size, size))
    draft.add(convolution, "patches", out_channels=hidden, kernel=PATCH, stride=PATCH)
    draft.add(to_tokens, "tokens")
    draft.add(layer_norm, "norm")
    return draft.block("embedding")


def _block(stage: Stage, *, shifted: bool) -> tuple[Layer, ...]:
    tokens, hidden = stage.tokens, stage.hidden
    width = EXPANSION * hidden
    return (
        _norm("norm1", "input", stage),
        *_attention(stage, shifted=shifted),
        _residual("residual1", "ordered", "input", stage),
        _norm("norm2", "residual1", stage),
        column_projection("up", "norm2", Projection(tokens=tokens, inputs=hidden, outputs=width)),
        plain_activation("activation", "up", tokens=tokens, width=width, function="gelu", bias=True),
        row_projection("down", "activation", Projection(tokens=tokens, inputs=width, outputs=hidden)),
        _residual("residual2", "down", "residual1", stage),
    )


def _attention(stage: Stage, *, shifted: bool) -> tuple[Layer, ...]:
    tokens, hidden, heads = stage.tokens, stage.hidden, stage.heads
    core = window_core(tokens=tokens, window=stage.window, heads=heads, head_size=HEAD_SIZE)
    into = Projection(tokens=tokens, inputs=hidden, outputs=3 * hidden)

    def order(name: str, source: str, *, back: bool) -> Layer:
        extents = {"tokens": tokens, "features": hidden, "window": stage.window}
        return windows(name, source, shifted=shifted, back=back, **extents)

    return (
        order("windows", "norm1", back=False),
        column_projection("qkv", "windows", into, bias=True, split=projection_split(core)),
        split_window_heads("split", "qkv", core, heads=heads),
        window_attention("attention", "split", core, heads=heads, window=stage.window, shifted=shifted),
        replace(merge_heads("merge", "attention", core), output_shape=(tokens, hidden)),
        row_projection("projection", "merge", Projection(tokens=tokens, inputs=hidden, outputs=hidden)),
        order("ordered", "projection", back=True),
    )


def _norm(name: str, source: str, stage: Stage) -> Layer:
    return token_norm(name, source, kind="layernorm", tokens=stage.tokens, features=stage.hidden, forked=True)


def _residual(name: str, branch: str, residual: str, stage: Stage) -> Layer:
    return residual_addition(
        name, branch, residual, tokens=stage.tokens, hidden=stage.hidden, bias=True, drop=False
    )


def _merging(name: str, stage: Stage) -> Block:
    """Four neighbours side by side (one copy), normalised and projected to twice the features."""
    draft = Draft((stage.tokens, stage.hidden))
    draft.add(merge_neighbours, "neighbours")
    draft.add(layer_norm, "norm")
    draft.add(token_linear, "reduction", out_features=2 * stage.hidden, bias=False)
    return draft.block(name)


def _head(stage: Stage) -> Block:
    draft = Draft((stage.tokens, stage.hidden))
    draft.add(layer_norm, "norm")
    draft.add(token_mean, "mean")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")


_SIZES: dict[str, tuple[int, tuple[int, ...]]] = {
    "tiny": (96, (2, 2, 6, 2)),
    "small": (96, (2, 2, 18, 2)),
    "base": (128, (2, 2, 18, 2)),
    "large": (192, (2, 2, 18, 2)),
}
"""Features of the first stage and blocks of each."""

NETWORKS: dict[str, Callable[..., Network]] = {
    **{
        f"swin-{size}": partial(build_swin, f"swin-{size}", hidden=hidden, depths=depths)
        for size, (hidden, depths) in _SIZES.items()
    },
    **{
        f"swin-{size}-384": partial(
            build_swin,
            f"swin-{size}-384",
            hidden=_SIZES[size][0],
            depths=_SIZES[size][1],
            window=12,
            published_size=384,
        )
        for size in ("base", "large")
    },
}
ALIASES = {
    **{f"swin-{size[0]}": f"swin-{size}" for size in ("tiny", "small", "base")},
    **{f"swin_{size}_patch4_window7_224": f"swin-{size}" for size in _SIZES},
    **{f"swin_{size}_patch4_window12_384": f"swin-{size}-384" for size in ("base", "large")},
}
