"""U-Nets that take noise from images: DDPM (Ho et al. 2020, arXiv:2006.11239, appendix B), Stable Diffusion.

As huggingface/diffusers builds them (``models/unets/unet_2d.py``, ``unet_2d_condition.py``) from the
``unet/config.json`` of google/ddpm-cifar10-32, google/ddpm-celebahq-256, Stable Diffusion 1.5 (Rombach et al.
2022, arXiv:2112.10752), 2.1 and XL base 1.0 (Podell et al. 2023, arXiv:2307.01952). Residual blocks add what
a step's number says to every channel; behind them stand attention among pixels (DDPM) or transformer blocks
that also attend to a text. A sample is an image, or its latents of an eighth of its size, and its text: both
come from networks that were trained before, and are taken as computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.activation import activation
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.elementwise import addition, concatenation
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import group_norm
from workloads.layers.images.scaling import channel_shift
from workloads.layers.images.segmentation import upsample
from workloads.layers.linear import linear
from workloads.layers.regression import squared_error
from workloads.layers.tokens.attention import ScoreChoices, attention_core, merge_heads, split_heads
from workloads.layers.tokens.cross_attention import split_crossed
from workloads.layers.tokens.feedforward import gated_activation
from workloads.layers.tokens.tokens import layer_norm, to_maps, to_tokens, token_linear
from workloads.network import Network
from workloads.operators import AttentionShape
from workloads.tensors import BLOCK_INPUT, Tensor

DDPM = "Ho et al. 2020, arXiv:2006.11239, appendix B"
LATENT = "Rombach et al. 2022, arXiv:2112.10752, as released by CompVis and Stability AI"
XL = "Podell et al. 2023, arXiv:2307.01952, table 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """Dimensions of a U-Net that takes noise away.

    Attributes:
        name: registered name.
        source: paper.
        pixels: height and width of an image.
        scale: pixels of an image to one of its latents, on each axis.
        channels: of an image or its latents.
        widths: channels of each level.
        depths: transformer blocks behind every residual block of a level, 0 for none; attention alone where
            there is no text. The level at the bottom has as many as the deepest.
        heads: of every attention; 0 for as many as ``head_size`` gives.
        head_size: features of a head, where ``heads`` is 0.
        context: tokens of the text, and features of each; (0, 0) for none.
        added: features of what else is said of an image (XL: size, crop, and the text as a whole).
    """

    name: str
    source: str
    pixels: int
    scale: int = 8
    channels: int = 4
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: int = 0
    head_size: int = 64
    context: tuple[int, int] = (0, 0)
    added: int = 0


RESIDUALS = 2
"""Residual blocks of a level on the way down; one more on the way up."""


def build_diffusion(config: DiffusionConfig, *, image_size: int | None = None) -> Network:
    """The U-Net of these dimensions and its squared error.

    Raises:
        NetworkError: levels would not meet again on the way up.
    """
    size = config.pixels if image_size is None else image_size
    multiple = config.scale * 2 ** (len(config.widths) - 1)
    if size % multiple:
        found = f"found {size}; expected a multiple of {multiple}"
        raise NetworkError([f"network {config.name}: image_size: {found}"])
    draft = Draft((config.channels, size // config.scale, size // config.scale))
    skips = [draft.add(convolution, "conv_in", out_channels=config.widths[0], **_SAME)]
    if config.context[0]:
        draft.add(_given, "context", BLOCK_INPUT, shape=config.context)
    _step_number(draft, config)
    _down(draft, config, skips)
    _residual(draft, "middle1", draft.last, config.widths[-1])
    _attended(draft, config, "middle", max(config.depths))
    _residual(draft, "middle2", draft.last, config.widths[-1])
    _up(draft, config, skips)
    _norm_silu(draft, "norm_out")
    draft.add(convolution, "conv_out", out_channels=config.channels, **_SAME)
    draft.add(squared_error, "loss")
    return build_image_network(config.name, draft.blocks(), source=config.source)


_SAME = {"kernel": 3, "padding": 1}


def _given(name: str, _source: Tensor, *, shape: tuple[int, ...]) -> Layer:
    """What comes with a sample beside the image; nothing runs."""
    return Layer(name=name, kind="memory", inputs=(BLOCK_INPUT,), output_shape=shape)


def _step_number(draft: Draft, config: DiffusionConfig) -> None:
    """Sinusoids of the step's number, and what else is said of the image, through two linear layers each."""
    width = config.widths[0]
    draft.add(_given, "sinusoids", BLOCK_INPUT, shape=(width,))
    step = _perceptron(draft, "time", 4 * width)
    if config.added:
        draft.add(_given, "added", BLOCK_INPUT, shape=(config.added,))
        step = draft.add(addition, "time_sum", step, _perceptron(draft, "added", 4 * width))
    draft.add(activation, "step", step, function="silu")


def _perceptron(draft: Draft, name: str, width: int) -> str:
    draft.add(linear, f"{name}_linear1", out_features=width)
    draft.add(activation, f"{name}_silu", function="silu")
    return draft.add(linear, f"{name}_linear2", out_features=width)


def _down(draft: Draft, config: DiffusionConfig, skips: list[str]) -> None:
    """Residual blocks level by level, each but the last followed by a convolution of stride two."""
    for level, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True), start=1):
        for number in range(1, RESIDUALS + 1):
            _residual(draft, f"down{level}_{number}", skips[-1], width)
            skips.append(_attended(draft, config, f"down{level}_{number}", depth))
        if level < len(config.widths):
            skips.append(draft.add(convolution, f"smaller{level}", out_channels=width, stride=2, **_SAME))


def _up(draft: Draft, config: DiffusionConfig, skips: list[str]) -> None:
    """The way back, where every residual block reads what a layer of the way down has put out."""
    for level in range(len(config.widths), 0, -1):
        width = config.widths[level - 1]
        for number in range(1, RESIDUALS + 2):
            name = f"up{level}_{number}"
            joined = draft.add(concatenation, f"{name}_join", draft.last, skips.pop())
            _residual(draft, name, joined, width)
            _attended(draft, config, name, config.depths[level - 1])
        if level > 1:
            draft.add(upsample, f"larger{level}")
            draft.add(convolution, f"larger{level}_conv", out_channels=width, **_SAME)


def _residual(draft: Draft, name: str, source: str, width: int) -> str:
    """Twice normalisation, SiLU and convolution; between them the step's number shifts every channel."""
    _norm_silu(draft, f"{name}_norm1", source)
    maps = draft.add(convolution, f"{name}_conv1", out_channels=width, **_SAME)
    shift = draft.add(linear, f"{name}_time", "step", out_features=width)
    draft.add(channel_shift, f"{name}_shift", maps, shift)
    _norm_silu(draft, f"{name}_norm2")
    maps = draft.add(convolution, f"{name}_conv2", out_channels=width, **_SAME)
    if draft.shape_of(source)[0] != width:
        source = draft.add(convolution, f"{name}_match", source, out_channels=width, kernel=1)
    return draft.add(addition, f"{name}_add", maps, source)


def _norm_silu(draft: Draft, name: str, *sources: str) -> str:
    draft.add(group_norm, name, *sources)
    return draft.add(activation, f"{name}_silu", function="silu")


def _attended(draft: Draft, config: DiffusionConfig, name: str, depth: int) -> str:
    """Attention among pixels, or ``depth`` transformer blocks between projections; returns the end's name."""
    source = draft.last
    if not depth:
        return source
    width, height, breadth = draft.shape
    draft.add(group_norm, f"{name}_norm")
    if config.context[0]:
        draft.add(convolution, f"{name}_proj_in", out_channels=width, kernel=1)
    draft.add(to_tokens, f"{name}_tokens")
    if config.context[0]:
        for number in range(1, depth + 1):
            _transformer(draft, config, f"{name}_{number}")
    else:
        _self_attention(draft, config, f"{name}_attention", bias=True)
    draft.add(to_maps, f"{name}_maps", height=height, width=breadth)
    if config.context[0]:
        draft.add(convolution, f"{name}_proj_out", out_channels=width, kernel=1)
    return draft.add(addition, f"{name}_attended", draft.last, source)


def _transformer(draft: Draft, config: DiffusionConfig, name: str) -> None:
    """Attention among pixels, to the text, and a gated feed-forward network, each behind a normalisation."""
    for part, branch in (
        ("self", partial(_self_attention, draft, config)),
        ("cross", partial(_text_attention, draft, config)),
        ("mlp", partial(_feedforward, draft)),
    ):
        source = draft.last
        draft.add(layer_norm, f"{name}_{part}_norm", reads="products")
        branch(f"{name}_{part}")
        draft.add(addition, f"{name}_{part}_add", draft.last, source)


def _self_attention(draft: Draft, config: DiffusionConfig, name: str, *, bias: bool = False) -> None:
    tokens, width = draft.shape
    core = _core(config, tokens, tokens, width)
    draft.add(token_linear, f"{name}_qkv", out_features=3 * width, bias=bias)
    draft.add(lambda name, source: split_heads(name, source.name, core), f"{name}_split")
    _cored(draft, name, core)


def _text_attention(draft: Draft, config: DiffusionConfig, name: str) -> None:
    tokens, width = draft.shape
    core = _core(config, tokens, config.context[0], width)
    query = draft.add(token_linear, f"{name}_query", out_features=width, bias=False)
    keys = draft.add(token_linear, f"{name}_kv", "context", out_features=2 * width, bias=False)
    draft.add(
        lambda name, *sources: split_crossed(name, (sources[0].name, sources[1].name), core),
        f"{name}_split",
        query,
        keys,
    )
    _cored(draft, name, core)


def _cored(draft: Draft, name: str, core: AttentionShape) -> None:
    """The core of an attention, its heads side by side, and the projection behind them."""
    draft.add(lambda name, source: attention_core(name, source.name, core, ScoreChoices()), f"{name}_core")
    draft.add(lambda name, source: merge_heads(name, source.name, core), f"{name}_merge")
    draft.add(token_linear, f"{name}_out", out_features=core.heads * core.head_size)


def _core(config: DiffusionConfig, queries: int, keys: int, width: int) -> AttentionShape:
    heads = config.heads or width // config.head_size
    return AttentionShape(
        query_tokens=queries,
        key_tokens=keys,
        heads=heads,
        kv_heads=heads,
        head_size=width // heads,
        causal=False,
    )


def _feedforward(draft: Draft, name: str) -> None:
    tokens, width = draft.shape
    draft.add(token_linear, f"{name}_up", out_features=8 * width, bias=False)  # its bias is the gate's
    gate = partial(gated_activation, tokens=tokens, width=4 * width, function="gelu", bias=True)
    draft.add(lambda name, source: gate(name, source.name), f"{name}_gate")
    draft.add(token_linear, f"{name}_down", out_features=width)


_CIFAR = DiffusionConfig(
    name="ddpm-cifar10",
    source=DDPM,
    pixels=32,
    scale=1,
    channels=3,
    widths=(128, 256, 256, 256),
    depths=(0, 1, 0, 0),
    heads=1,
)
_STABLE = DiffusionConfig(
    name="stable-diffusion-1",
    source=LATENT,
    pixels=512,
    widths=(320, 640, 1280, 1280),
    depths=(1, 1, 1, 0),
    heads=8,
    context=(77, 768),
)
_CONFIGS = (
    _CIFAR,
    replace(
        _CIFAR,
        name="ddpm-256",
        pixels=256,
        widths=(128, 128, 256, 256, 512, 512),
        depths=(0, 0, 0, 0, 1, 0),
    ),
    _STABLE,
    replace(_STABLE, name="stable-diffusion-2", pixels=768, heads=0, context=(77, 1024)),
    DiffusionConfig(
        name="stable-diffusion-xl",
        source=XL,
        pixels=1024,
        widths=(320, 640, 1280),
        depths=(0, 2, 10),
        context=(77, 2048),
        added=2816,
    ),
)

NETWORKS: dict[str, Callable[..., Network]] = {
    config.name: partial(build_diffusion, config) for config in _CONFIGS
}
ALIASES = {
    "stable-diffusion": "stable-diffusion-1",
    "stable-diffusion-v1-5": "stable-diffusion-1",
    "stable-diffusion-2-1": "stable-diffusion-2",
    "stable-diffusion-xl-base-1.0": "stable-diffusion-xl",
    "sdxl": "stable-diffusion-xl",
    "ddpm-cifar10-32": "ddpm-cifar10",
    "ddpm-celebahq-256": "ddpm-256",
}
