"""wav2vec 2.0: sound to features by convolutions, a transformer over them, a contrast of masked frames.

Baevski et al. 2020 (arXiv:2006.11477), sections 2 and 4.2, as facebookresearch/fairseq trains it
(``fairseq/models/wav2vec/wav2vec2.py``; in ``examples/wav2vec/config/pretraining``, ``base_librispeech``
normalises the first convolution alone and transformer blocks behind their branches,
``large_librivox`` every convolution, and blocks before them). A sample is one stretch of sound at 16 kHz,
cropped to 250,000 and 320,000 samples; convolutions make a frame of 320, and about 49 % of them are masked.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.layers.activation import activation
from workloads.layers.drafts.draft import Draft
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.elementwise import addition
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import instance_norm
from workloads.layers.images.segmentation import crop
from workloads.layers.pointwise import pointwise
from workloads.layers.tokens.cross_attention import carried_output
from workloads.layers.tokens.tokens import layer_norm, to_maps, to_tokens, token_linear
from workloads.network import Block, Network
from workloads.operators import Operator, OperatorKind, Split
from workloads.tensors import BLOCK_INPUT, Tensor
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.layer import transformer_layers

SOURCE = "Baevski et al. 2020 (arXiv:2006.11477), section 4.2"
CHANNELS = 512
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
POSITION_TAPS, POSITION_GROUPS = 128, 16
BOOKS, ENTRIES = 2, 320
DISTRACTORS = 100
MASKED = 0.49
"""Share of frames that are masked (section 4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundConfig:
    """Dimensions of a wav2vec 2.0.

    Attributes:
        name: registered name.
        layers, hidden, heads: of the transformer.
        target: features of what frames are compared by.
        samples: of sound.
        wide: every convolution has a bias and a layer normalisation, and transformer blocks normalise before
            their branches, without dropout.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    target: int
    samples: int
    wide: bool


def build_wav2vec(config: SoundConfig, *, tokens: int | None = None) -> Network:
    """The network in pre-training; ``tokens`` are samples of sound.

    Raises:
        NetworkError: too few samples for one frame.
    """
    samples = config.samples if tokens is None else tokens
    draft = Draft((1, 1, samples))
    _sound(draft, config)
    frames = draft.shape[-1]
    masked = round(MASKED * frames)
    if not masked:
        raise NetworkError(
            [f"network {config.name}: found {samples} samples; expected masked frames, from 720 on"]
        )
    draft.add(to_tokens, "frames")
    draft.add(layer_norm, "features", reads="products")
    _positions(draft, config)
    carried = frames * CHANNELS
    embedding = replace(draft.block("embedding"), recomputable=False, carried=carried)
    encoder = Block(
        name="encoder",
        layers=transformer_layers(_encoder(config, frames)),
        count=config.layers,
        carried=carried,
    )
    return Network(
        name=config.name,
        blocks=drop_unused_gradients((embedding, encoder, _contrast(config, frames, masked))),
        source=SOURCE,
        sample="sequence",
        tokens=samples,
        tensor_divisors=(config.heads, 4 * config.hidden),
        kv_heads=config.heads,
    )


def _sound(draft: Draft, config: SoundConfig) -> None:
    """Seven convolutions over time; a group normalisation of the first has a group for each channel."""
    for number, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True), start=1):
        name = f"conv{number}"
        axes = {"kernel": (1, kernel), "stride": (1, stride)}
        draft.add(convolution, name, out_channels=CHANNELS, bias=config.wide, **axes)
        if config.wide:
            draft.add(to_tokens, f"{name}_tokens")
            draft.add(layer_norm, f"{name}_norm", reads="products")
            draft.add(to_maps, f"{name}_maps", height=1, width=draft.shape[0])
        elif number == 1:
            draft.add(instance_norm, f"{name}_norm")
        draft.add(activation, f"{name}_gelu", function="gelu")


def _positions(draft: Draft, config: SoundConfig) -> None:
    """Projection to the transformer's features, a trained vector in masked frames, a convolution's positions.

    The convolution's weights are normalised: one length for every tap (Salimans and Kingma 2016).
    """
    draft.add(token_linear, "projection", out_features=config.hidden)
    tokens = draft.add(_mask, "mask")
    frames = draft.shape[0]
    draft.add(to_maps, "maps", height=1, width=frames)
    draft.add(
        _normed_convolution,
        "position_conv",
        out_channels=config.hidden,
        kernel=(1, POSITION_TAPS),
        padding=(0, POSITION_TAPS // 2),
        groups=POSITION_GROUPS,
    )
    draft.add(crop, "position_crop", extents=(1, frames))
    draft.add(activation, "position_gelu", function="gelu")
    draft.add(to_tokens, "positions")
    draft.add(addition, "position_add", draft.last, tokens)
    if not config.wide:
        draft.add(layer_norm, "norm")


# Options are those of `convolution`.
def _normed_convolution(name: str, source: Tensor, **options: Any) -> Layer:  # noqa: ANN401
    layer = convolution(name, source, **options)
    return replace(layer, parameters=layer.parameters + POSITION_TAPS)


def _mask(name: str, source: Tensor) -> Layer:
    """Masked frames take one trained vector in place of their own."""
    frames, hidden = source.shape
    count = round(MASKED * frames) * hidden
    scatter = Operator(name="mask", kind=OperatorKind.GATHER, flops=0, writes=count, weights=hidden)
    sums = Operator(
        name="vector gradient", kind=OperatorKind.REDUCTION, flops=count, reads=count, weights=hidden
    )
    return Layer(
        name=name,
        kind="mask",
        inputs=(source.name,),
        output_shape=source.shape,
        parameters=hidden,
        forward=(scatter,),
        input_gradient=(replace(scatter, name="clear", weights=0),),
        weight_gradient=(sums,),
    )


def _encoder(config: SoundConfig, frames: int) -> DecoderConfig:
    return DecoderConfig(
        name=config.name,
        source=SOURCE,
        layers=config.layers,
        hidden=config.hidden,
        heads=config.heads,
        kv_heads=config.heads,
        head_size=config.hidden // config.heads,
        ffn=4 * config.hidden,
        vocab=BOOKS * ENTRIES,
        tokens=frames,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        post_norm=not config.wide,
        positions="none",
        bias=True,
        qkv_bias=True,
        tied=False,
        dropout=not config.wide,
        causal=False,
    )


def _contrast(config: SoundConfig, frames: int, masked: int) -> Block:
    """Masked frames of the transformer against the entries that their features choose."""
    draft = Draft((frames, config.hidden))
    if config.wide:
        draft.add(layer_norm, "norm")
    draft.add(_selection, "masked", masked=masked)
    context = draft.add(token_linear, "context", out_features=config.target)
    draft.add(lambda name, _: carried_output(name, tokens=frames, hidden=CHANNELS), "memory", BLOCK_INPUT)
    draft.add(_selection, "masked_features", masked=masked)
    draft.add(token_linear, "scores", out_features=BOOKS * ENTRIES)
    draft.add(_quantizer, "quantizer", width=config.target // BOOKS)
    targets = draft.add(token_linear, "targets", out_features=config.target)
    draft.add(_contrastive_loss, "loss", context, targets)
    return replace(draft.block("head"), recomputable=False)


def _selection(name: str, source: Tensor, *, masked: int) -> Layer:
    """Masked rows; their gradient is scattered into zeros."""
    frames, width = source.shape
    gather = Operator(
        name="gather", kind=OperatorKind.GATHER, flops=0, reads=masked * width, writes=masked * width
    )
    return Layer(
        name=name,
        kind="selection",
        inputs=(source.name,),
        output_shape=(masked, width),
        forward=(gather,),
        input_gradient=(replace(gather, name="scatter", writes=frames * width),),
    )


def _quantizer(name: str, source: Tensor, *, width: int) -> Layer:
    """One entry of each book by Gumbel softmax (section 2); all entries are weighed and summed element-wise.

    (``fairseq/modules/gumbel_vector_quantizer.py``: ``x = x.unsqueeze(-1) * vars``.)
    """
    rows, entries = source.shape
    scores, weighed, table = rows * entries, rows * entries * width, entries * width
    product = pointwise("weigh", weighed, split=Split.REPLICATED, weights=table)
    sums = Operator(name="sum", kind=OperatorKind.REDUCTION, flops=weighed, reads=weighed)
    return Layer(
        name=name,
        kind="quantizer",
        inputs=(source.name,),
        output_shape=(rows, BOOKS * width),
        parameters=table,
        forward=(
            Operator(
                name="gumbel softmax",
                kind=OperatorKind.SOFTMAX,
                flops=8 * scores,
                reads=2 * scores,
                writes=scores,
                element_size=4,
            ),
            replace(product, reads=scores),
            replace(sums, writes=rows * BOOKS * width),
        ),
        input_gradient=(
            replace(product, name="score products", reads=rows * BOOKS * width),
            replace(sums, name="score gradient", writes=scores),
            Operator(
                name="softmax gradient",
                kind=OperatorKind.SOFTMAX,
                flops=4 * scores,
                reads=2 * scores,
                writes=scores,
                element_size=4,
            ),
        ),
        weight_gradient=(
            replace(product, name="entry products", reads=rows * BOOKS * width + scores, weights=0),
            replace(sums, name="entry gradient", weights=table),
        ),
        saved=(SavedActivation(name="probabilities", elements=scores),),
    )


def _contrastive_loss(name: str, context: Tensor, targets: Tensor) -> Layer:
    """Cosine similarity, in FP32, of every masked frame with its target and 100 others (equation 3)."""
    rows, width = context.shape
    pairs = rows * (DISTRACTORS + 1)
    gather = Operator(
        name="distractors",
        kind=OperatorKind.GATHER,
        flops=0,
        reads=rows * DISTRACTORS * width,
        writes=rows * DISTRACTORS * width,
    )
    similar = Operator(
        name="similarity",
        kind=OperatorKind.REDUCTION,
        flops=6 * pairs * width,
        reads=2 * pairs * width,
        writes=pairs,
        element_size=4,
    )
    return Layer(
        name=name,
        kind="loss",
        inputs=(context.name, targets.name),
        output_shape=(1,),
        forward=(gather, similar),
        input_gradient=(
            replace(similar, name="similarity gradient", writes=2 * pairs * width),
            replace(gather, name="distractor gradient"),
        ),
        saved=(SavedActivation(name="pairs", elements=2 * pairs * width, element_size=4),),
    )


_CONFIGS = (
    SoundConfig(
        name="wav2vec2-base", layers=12, hidden=768, heads=12, target=256, samples=250_000, wide=False
    ),
    SoundConfig(
        name="wav2vec2-large", layers=24, hidden=1024, heads=16, target=768, samples=320_000, wide=True
    ),
)

NETWORKS: dict[str, Callable[..., Network]] = {
    config.name: partial(build_wav2vec, config) for config in _CONFIGS
}
ALIASES = {"wav2vec2": "wav2vec2-base"}
