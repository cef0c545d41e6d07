"""Encoder-decoder transformers: the 2017 transformer, BART and T5.

Vaswani et al. 2017 (arXiv:1706.03762): an encoder reads the source, a decoder writes the target and attends
to the encoder's last output in every block. Later families change the details: normalisation before the
branch, relative positions and no biases (Raffel et al. 2019, arXiv:1910.10683), gated feed-forward networks
and an output table of its own (T5 1.1, Shazeer 2020, arXiv:2002.05202), learned positions (Lewis et al.
2019, arXiv:1910.13461), convolutions over a spectrogram in place of the source's table (Radford et al.
2022, arXiv:2212.04356).

A sample is a pair of sequences; its tokens are those of both. T5 is pre-trained on 512 source tokens and,
as Megatron-LM pads the corrupted spans, 128 target tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.residual import residual_addition
from workloads.layers.tokens.cross_attention import (
    cross_attention,
    fixed_positions,
    relative_positions,
)
from workloads.layers.tokens.embedding import embedding_dropout, position_embedding, token_embedding
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import AttentionShape, Split
from workloads.zoo.language.decoder.config import DecoderConfig, LayerChoice, layer_choices
from workloads.zoo.language.decoder.ends import head_layers
from workloads.zoo.language.decoder.layer import transformer_layers
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.decoder.stack import tensor_widths

POSITIONS = ("relative", "sinusoidal", "learned")
BUCKETS = 32  # of relative distances, Raffel et al. 2019, section 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderDecoderConfig:
    """Dimensions and choices of an encoder-decoder transformer.

    Attributes:
        name: registered name.
        source: paper, model card or file.
        encoder_layers, decoder_layers: transformer blocks.
        hidden: features of both residual streams.
        heads, head_size: of all attentions.
        decoder_heads: of those in the decoder, as wide together; 0 for as many (Whisper says both).
        ffn: features inside the encoder's feed-forward networks (of each half when gated).
        decoder_ffn: of the decoder's; 0 for the same.
        vocab: rows of the token table.
        source_tokens, target_tokens: of one sample.
        gated, activation, normalization: as in :class:`workloads.zoo.language.decoder.config.DecoderConfig`.
        post_norm: normalises after the residual addition (2017) instead of before the branch.
        final_norm: normalises what a stack puts out (with normalisation before branches).
        embedding_norm: normalises embedded sequences (BART).
        positions: one of ``POSITIONS``, of both stacks.
        buckets: of relative distances.
        max_positions, target_positions: rows of learned tables.
        mel_bins: features of one frame of a spectrogram, two frames to a source token (Whisper); 0 for a
            source of tokens. Its positions are sinusoids.
        bias: projections add biases.
        key_bias: those to keys among them.
        logit_bias: the output layer adds one that is trained.
        tied: the output layer multiplies by the token table.
        shared: source and target use one token table.
        dropout: on embeddings, attention probabilities and branches.
        experts: feed-forward networks of both stacks that tokens choose among; None for dense ones.
        decoder_experts: those of the decoder; None for the same.
    """

    name: str
    source: str
    encoder_layers: int
    decoder_layers: int
    hidden: int
    heads: int
    head_size: int
    decoder_heads: int = 0
    ffn: int
    decoder_ffn: int = 0
    vocab: int
    source_tokens: int
    target_tokens: int
    gated: bool
    activation: str
    normalization: str
    post_norm: bool
    final_norm: bool
    embedding_norm: bool = False
    positions: str
    buckets: int = BUCKETS
    max_positions: int = 0
    target_positions: int = 0
    mel_bins: int = 0
    bias: bool
    key_bias: bool = True
    logit_bias: bool = False
    tied: bool
    shared: bool = True
    dropout: bool
    experts: Experts | None = None
    decoder_experts: Experts | None = None

    @property
    def target_heads(self) -> tuple[int, int]:
        """Heads of the decoder, and features of each."""
        heads = self.decoder_heads or self.heads
        return heads, self.heads * self.head_size // heads

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)


def build_encoder_decoder(config: EncoderDecoderConfig) -> Network:
    """The network: blocks ``embedding``, ``encoder``, ``bridge``, ``decoder`` and ``head``.

    The bridge ends the encoder and embeds the target; from there on the encoder's output is carried along.
    """
    encoder, decoder = stack_config(config, encoder=True), stack_config(config, encoder=False)
    carried = config.source_tokens * config.hidden
    parts = [
        [Block(name="embedding", layers=_embedding(config), recomputable=False)],
        _stack("encoder", encoder, partial(_unbiased_keys, config)),
        [Block(name="bridge", layers=_bridge(config, encoder), recomputable=False, carried=carried)],
        [
            replace(block, carried=carried)
            for block in _stack("decoder", decoder, partial(_decoder_layers, config))
        ],
        [Block(name="head", layers=_head(config, decoder), recomputable=False)],
    ]
    blocks = [block for part in parts for block in part]
    return Network(
        name=config.name,
        blocks=tuple(blocks),
        source=config.source,
        sample="sequence",
        tokens=config.source_tokens + config.target_tokens,
        tensor_divisors=(
            config.heads,
            config.target_heads[0],
            *tensor_widths(encoder),
            *tensor_widths(decoder),
        ),
        expert_divisors=(config.experts.ffn,) if config.experts else (),
        kv_heads=min(config.heads, decoder.heads),
        order=_order(parts, encoder, decoder) if len(blocks) > len(parts) else (),
    )


def _stack(
    name: str, stack: DecoderConfig, layers: Callable[[DecoderConfig, LayerChoice], tuple[Layer, ...]]
) -> list[Block]:
    """Every kind of layer of a stack once; dense ones and those with experts take turns."""
    choices = layer_choices(stack)
    kinds = tuple(dict.fromkeys(choices))
    return [
        Block(
            name=f"{name}-{'experts' if kind.sparse else 'dense'}" if len(kinds) > 1 else name,
            layers=layers(stack, kind),
            count=choices.count(kind),
        )
        for kind in kinds
    ]


def _order(parts: Sequence[Sequence[Block]], *stacks: DecoderConfig) -> tuple[int, ...]:
    """Which block stands where: embedding, encoder, bridge, decoder, head."""
    order, first = [], 0
    stacked = dict(zip((1, 3), stacks, strict=True))
    for number, part in enumerate(parts):
        if number in stacked:
            choices = layer_choices(stacked[number])
            kinds = tuple(dict.fromkeys(choices))
            order += [first + kinds.index(choice) for choice in choices]
        else:
            order.append(first)
        first += len(part)
    return tuple(order)


def stack_config(config: EncoderDecoderConfig, *, encoder: bool) -> DecoderConfig:
    """One of the two stacks as a stack of its own."""
    learned = config.positions == "learned"
    rows = config.max_positions if encoder else config.target_positions or config.max_positions
    heads, head_size = (config.heads, config.head_size) if encoder else config.target_heads
    return DecoderConfig(
        name=config.name,
        source=config.source,
        layers=config.encoder_layers if encoder else config.decoder_layers,
        hidden=config.hidden,
        heads=heads,
        kv_heads=heads,
        head_size=head_size,
        ffn=config.ffn if encoder else config.decoder_ffn or config.ffn,
        vocab=config.vocab,
        tokens=config.source_tokens if encoder else config.target_tokens,
        gated=config.gated,
        activation=config.activation,
        normalization=config.normalization,
        post_norm=config.post_norm,
        # a bias by relative position is added to the scores as one by distance is
        positions="alibi" if config.positions == "relative" else "none",
        max_positions=rows if learned else 0,
        bias=config.bias,
        qkv_bias=config.bias,
        tied=config.tied,
        dropout=config.dropout,
        causal=not encoder,
        experts=config.experts if encoder else config.decoder_experts or config.experts,
    )


def _embedding(config: EncoderDecoderConfig) -> tuple[Layer, ...]:
    tokens, hidden = config.source_tokens, config.hidden
    if config.mel_bins:
        return _spectrogram(config)
    table = token_embedding("tokens", tokens=tokens, hidden=hidden, vocab=config.vocab)
    return (*_relative(config, "", tokens), table, *_placed(config, "", tokens, config.max_positions))


def _spectrogram(config: EncoderDecoderConfig) -> tuple[Layer, ...]:
    """Two convolutions over time, three frames wide, the second of stride two; written as their products."""
    tokens, hidden = config.source_tokens, config.hidden
    first = Projection(tokens=2 * tokens, inputs=3 * config.mel_bins, outputs=hidden)
    second = Projection(tokens=tokens, inputs=3 * hidden, outputs=hidden)
    activate = partial(
        plain_activation, width=hidden, function=config.activation, bias=True, split=Split.REPLICATED
    )
    one = replicated_projection("conv1", "input", first)
    return (
        replace(one, input_gradient=()),
        activate("gelu1", "conv1", tokens=2 * tokens),
        replicated_projection("conv2", "gelu1", second),
        activate("gelu2", "conv2", tokens=tokens),
        fixed_positions("positions", "gelu2", tokens=tokens, hidden=hidden),
    )


def _relative(config: EncoderDecoderConfig, prefix: str, tokens: int) -> tuple[Layer, ...]:
    if config.positions != "relative":
        return ()
    name = f"{prefix}relative"
    return (relative_positions(name, tokens=tokens, heads=config.heads, buckets=config.buckets),)


def _placed(config: EncoderDecoderConfig, prefix: str, tokens: int, rows: int) -> Iterator[Layer]:
    """Positions, normalisation and dropout of embedded tokens."""
    hidden, last = config.hidden, f"{prefix}tokens"
    if config.positions == "learned":
        name = f"{prefix}positions"
        yield position_embedding(name, last, tokens=tokens, hidden=hidden, rows=rows)
        last = name
    elif config.positions == "sinusoidal":
        name = f"{prefix}positions"
        yield fixed_positions(name, last, tokens=tokens, hidden=hidden)
        last = name
    if config.embedding_norm:
        name = f"{prefix}norm"
        yield _norm(config, name, last, tokens)
        last = name
    if config.dropout:
        yield embedding_dropout(f"{prefix}dropout", last, tokens=tokens, hidden=hidden)


def _bridge(config: EncoderDecoderConfig, encoder: DecoderConfig) -> tuple[Layer, ...]:
    """The end of the encoder and the embedded target."""
    tokens = config.target_tokens
    tied = "embedding/tokens" if config.shared and not config.mel_bins else ""
    table = token_embedding("target_tokens", tokens=tokens, hidden=config.hidden, vocab=config.vocab)
    end = _norm(config, "encoder_norm", "input", encoder.tokens)
    rows = config.target_positions or config.max_positions
    return (
        *((end,) if config.final_norm else ()),
        *_relative(config, "target_", tokens),
        replace(table, tied=tied),
        *_placed(config, "target_", tokens, rows),
    )


def _unbiased_keys(
    config: EncoderDecoderConfig, stack: DecoderConfig, kind: LayerChoice
) -> tuple[Layer, ...]:
    """A stack's block, whose projection to keys may have no bias."""
    layers = transformer_layers(stack, kind)
    if config.key_bias or not config.bias:
        return layers
    width = config.heads * config.head_size
    return tuple(
        replace(layer, parameters=layer.parameters - width) if layer.name == "qkv" else layer
        for layer in layers
    )


def _decoder_layers(
    config: EncoderDecoderConfig, decoder: DecoderConfig, kind: LayerChoice
) -> tuple[Layer, ...]:
    """Self-attention, attention to the encoder's output, feed-forward network."""
    own = _unbiased_keys(config, decoder, kind)
    names = [layer.name for layer in own]
    end = names.index("norm1" if config.post_norm else "residual1")
    before, after, last = own[: end + 1], own[end + 1 :], names[end]
    cross = _cross_branch(config, decoder, last)
    swapped = {last: cross[-1].name}
    rewired = (
        replace(layer, inputs=tuple(swapped.get(name, name) for name in layer.inputs)) for layer in after
    )
    return (*before, *cross, *rewired)


def _cross_branch(config: EncoderDecoderConfig, decoder: DecoderConfig, residual: str) -> tuple[Layer, ...]:
    core = AttentionShape(
        query_tokens=config.target_tokens,
        key_tokens=config.source_tokens,
        heads=decoder.heads,
        kv_heads=decoder.heads,
        head_size=decoder.head_size,
        causal=False,
        crossed=True,
    )
    biases = (config.bias, config.bias and config.key_bias, config.bias)
    read = residual if config.post_norm else "cross_norm"
    addition = residual_addition(
        "cross_residual",
        "cross_projection",
        residual,
        tokens=decoder.tokens,
        hidden=config.hidden,
        bias=config.bias,
        drop=config.dropout,
    )
    branch = (
        *cross_attention(read, core, hidden=config.hidden, biases=biases, drop=config.dropout),
        addition,
    )
    if config.post_norm:
        return (*branch, _norm(config, "cross_norm", "cross_residual", decoder.tokens, forked=True))
    return (_norm(config, "cross_norm", residual, decoder.tokens, forked=True), *branch)


def _head(config: EncoderDecoderConfig, decoder: DecoderConfig) -> tuple[Layer, ...]:
    tied = "bridge/target_tokens" if config.tied and config.mel_bins else ""
    layers = head_layers(replace(decoder, head_bias=config.logit_bias))
    layers = tuple(
        replace(layer, tied=tied or layer.tied) if layer.name == "logits" else layer for layer in layers
    )
    if config.final_norm:
        return layers
    first, *others = layers
    return tuple(
        replace(layer, inputs=tuple("input" if name == first.name else name for name in layer.inputs))
        for layer in others
    )


def _norm(
    config: EncoderDecoderConfig, name: str, source: str, tokens: int, *, forked: bool = False
) -> Layer:
    kind, features = config.normalization, config.hidden
    return token_norm(name, source, kind=kind, tokens=tokens, features=features, forked=forked)


def _faults(config: EncoderDecoderConfig) -> Iterator[str]:
    place = f"network {config.name}"
    for name in ("source_tokens", "target_tokens", "encoder_layers", "decoder_layers"):
        if getattr(config, name) < 1:
            yield f"{place}: {name}: found {getattr(config, name)}; expected at least 1"
    if config.positions not in POSITIONS:
        yield f"{place}: positions: found {config.positions!r}; expected one of {', '.join(POSITIONS)}"
    if config.positions == "learned":
        for rows, tokens in (
            ("max_positions" if not config.mel_bins else "", config.source_tokens),
            ("target_positions", config.target_tokens),
        ):
            found = getattr(config, rows) if rows else tokens
            found = found or config.max_positions
            if found < tokens:
                yield f"{place}: {rows}: found {found}; expected at least the {tokens} tokens of a sample"
