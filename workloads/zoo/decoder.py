"""Transformer stacks from their dimensions: the common ground of GPT, Llama, MPT and BERT.

Vaswani et al. 2017 (arXiv:1706.03762) as later families write it: pre-normalised (or post-normalised)
residual branches of attention and feed-forward network, grouped-query attention (Ainslie et al. 2023,
arXiv:2305.13245), gated feed-forward networks, learned, rotary or linear-bias positions, tied or own output
weights.

Parameters of a pre-normalised GPT of l layers, hidden size h, vocabulary V and s positions: 12 l h^2 + 13 l
h + (V + s) h + 2 h (Narayanan et al. 2021, arXiv:2104.04473, equation 2, plus the final normalisation).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.attention import (
    attention_core,
    merge_heads,
    rotary_positions,
    split_heads,
)
from workloads.layers.embedding import embedding_dropout, position_embedding, token_embedding
from workloads.layers.feedforward import ACTIVATIONS, gated_activation, plain_activation
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.residual import residual_addition
from workloads.layers.token_loss import token_loss
from workloads.layers.token_norm import NORMALIZATIONS, token_norm
from workloads.network import Block, Network
from workloads.operators import AttentionShape, Split

POSITIONS = ("learned", "rotary", "alibi", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """Dimensions and choices of a transformer stack.

    Attributes:
        name: registered name.
        source: paper, model card or file.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads, kv_heads, head_size: query heads, key-value heads and features of each.
        ffn: features inside the feed-forward network (of each half when gated).
        vocab: rows of the token table.
        tokens: sequence length of one sample.
        gated: feed-forward network f(G) * U instead of f(X).
        activation: its f, a key of ``ACTIVATIONS``.
        normalization: a key of ``NORMALIZATIONS``.
        norm_shift: LayerNorm has a shift (MPT's has none).
        post_norm: normalises after the residual addition (2017) instead of before the branch.
        parallel_residual: both branches read the block's input (GPT-NeoX).
        qk_norm: normalises each head's query and key (Qwen3).
        embedding_norm: normalises the embedded sequence (BLOOM, BERT).
        positions: one of ``POSITIONS``.
        max_positions: rows of the learned position table.
        segments: rows of a segment table (BERT), 0 for none.
        bias: output, feed-forward and (with ``qkv_bias``) query-key-value projections add biases.
        qkv_bias: query-key-value projection adds a bias.
        tied: the head multiplies by the token table.
        dropout: on embeddings, attention probabilities and both branches.
        causal: tokens attend to earlier tokens only.
    """

    name: str
    source: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    vocab: int
    tokens: int
    gated: bool
    activation: str
    normalization: str
    norm_shift: bool = True
    post_norm: bool = False
    parallel_residual: bool = False
    qk_norm: bool = False
    embedding_norm: bool = False
    positions: str
    max_positions: int = 0
    segments: int = 0
    bias: bool
    qkv_bias: bool
    tied: bool
    dropout: bool
    causal: bool = True

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)


def build_decoder(config: DecoderConfig) -> Network:
    """The network of these dimensions: blocks ``embedding``, ``decoder`` (repeated) and ``head``.

    Args:
        config: checked dimensions.

    Returns:
        A network whose sample is one sequence of ``config.tokens`` tokens.
    """
    block = Block(name="decoder", layers=transformer_layers(config), count=config.layers)
    embedding = Block(name="embedding", layers=embedding_layers(config))
    head = Block(name="head", layers=head_layers(config))
    return build_network(config, (embedding, block, head))


def build_network(config: DecoderConfig, blocks: tuple[Block, ...]) -> Network:
    """A network of these blocks with the identity of the configuration."""
    return Network(
        name=config.name,
        blocks=blocks,
        source=config.source,
        sample="sequence",
        tokens=config.tokens,
        tensor_divisors=(config.heads, config.ffn),
    )


def embedding_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Token table, positions, segments, normalisation and dropout, as far as the configuration has them."""
    tokens, hidden = config.tokens, config.hidden
    layers = [token_embedding("tokens", tokens=tokens, hidden=hidden, vocab=config.vocab)]
    if config.positions == "learned":
        rows = config.max_positions
        layers.append(position_embedding("positions", "tokens", tokens=tokens, hidden=hidden, rows=rows))
    if config.segments:
        rows, source = config.segments, layers[-1].name
        layers.append(position_embedding("segments", source, tokens=tokens, hidden=hidden, rows=rows))
    if config.embedding_norm:
        layers.append(_norm(config, "norm", layers[-1].name))
    if config.dropout:
        layers.append(embedding_dropout("dropout", layers[-1].name, tokens=tokens, hidden=hidden))
    return tuple(layers)


def transformer_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """One transformer block: attention branch, then feed-forward branch."""
    if config.post_norm:
        return (
            *_attention_branch(config, "input", "input"),
            _norm(config, "norm1", "residual1", forked=True),
            *_feedforward_branch(config, "norm1", "norm1"),
            _norm(config, "norm2", "residual2", forked=True),
        )
    second = "input" if config.parallel_residual else "residual1"
    return (
        _norm(config, "norm1", "input", forked=True),
        *_attention_branch(config, "norm1", "input"),
        _norm(config, "norm2", second, forked=True, keep_input=not config.parallel_residual),
        *_feedforward_branch(config, "norm2", "residual1"),
    )


def head_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Final normalisation, projection to the vocabulary and loss."""
    size = Projection(tokens=config.tokens, inputs=config.hidden, outputs=config.vocab)
    tied = "embedding/tokens" if config.tied else ""
    return (
        _norm(config, "norm", "input"),
        column_projection("logits", "norm", size, tied=tied),
        token_loss("loss", "logits", tokens=config.tokens, vocab=config.vocab),
    )


def attention_shape(config: DecoderConfig) -> AttentionShape:
    """Dimensions of the attention core."""
    return AttentionShape(
        query_tokens=config.tokens,
        key_tokens=config.tokens,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_size=config.head_size,
        causal=config.causal,
    )


def _attention_branch(config: DecoderConfig, source: str, residual: str) -> tuple[Layer, ...]:
    core, width = attention_shape(config), config.heads * config.head_size
    columns = (config.heads + 2 * config.kv_heads) * config.head_size
    into = Projection(tokens=config.tokens, inputs=config.hidden, outputs=columns)
    out = Projection(tokens=config.tokens, inputs=width, outputs=config.hidden)
    layers = [column_projection("qkv", source, into, bias=config.qkv_bias), split_heads("split", "qkv", core)]
    if config.qk_norm:
        layers += _head_norms(config, "split")
    if config.positions == "rotary":
        layers.append(rotary_positions("rotary", layers[-1].name, core))
    alibi = config.positions == "alibi"
    layers.append(attention_core("attention", layers[-1].name, core, drop=config.dropout, alibi=alibi))
    layers += [merge_heads("merge", "attention", core), row_projection("projection", "merge", out)]
    return (*layers, _residual(config, "residual1", "projection", residual))


def _head_norms(config: DecoderConfig, source: str) -> list[Layer]:
    return [
        token_norm(
            name,
            before,
            kind=config.normalization,
            tokens=config.tokens * heads,
            features=config.head_size,
            split=Split.COLUMN,
        )
        for name, before, heads in (
            ("query_norm", source, config.heads),
            ("key_norm", "query_norm", config.kv_heads),
        )
    ]


def _feedforward_branch(config: DecoderConfig, source: str, residual: str) -> tuple[Layer, ...]:
    tokens, width = config.tokens, config.ffn
    into = Projection(tokens=tokens, inputs=config.hidden, outputs=2 * width if config.gated else width)
    out = Projection(tokens=tokens, inputs=width, outputs=config.hidden)
    activate = gated_activation if config.gated else plain_activation
    function = config.activation
    return (
        column_projection("up", source, into),
        activate("activation", "up", tokens=tokens, width=width, function=function, bias=config.bias),
        row_projection("down", "activation", out),
        _residual(config, "residual2", "down", residual),
    )


def _residual(config: DecoderConfig, name: str, branch: str, residual: str) -> Layer:
    return residual_addition(
        name,
        branch,
        residual,
        tokens=config.tokens,
        hidden=config.hidden,
        bias=config.bias,
        drop=config.dropout,
    )


def _norm(
    config: DecoderConfig, name: str, source: str, *, forked: bool = False, keep_input: bool = True
) -> Layer:
    return token_norm(
        name,
        source,
        kind=config.normalization,
        tokens=config.tokens,
        features=config.hidden,
        shift=config.norm_shift,
        forked=forked,
        keep_input=keep_input,
    )


def _faults(config: DecoderConfig) -> Iterator[str]:
    place = f"network {config.name}"
    for name in ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocab", "tokens"):
        value = getattr(config, name)
        if value < 1:
            yield f"{place}: {name}: found {value}; expected at least 1"
    if config.kv_heads > 0 and config.heads % config.kv_heads:
        yield f"{place}: kv_heads: found {config.kv_heads}; expected a divisor of the {config.heads} heads"
    for name, known in (
        ("activation", ACTIVATIONS),
        ("normalization", NORMALIZATIONS),
        ("positions", POSITIONS),
    ):
        value = getattr(config, name)
        if value not in known:
            yield f"{place}: {name}: found {value!r}; expected one of {', '.join(known)}"
    if config.positions == "learned" and config.max_positions < config.tokens:
        yield (
            f"{place}: max_positions: found {config.max_positions}; expected at least the {config.tokens} "
            "tokens of a sample, because positions are learned"
        )
    if config.post_norm and config.parallel_residual:
        yield f"{place}: post_norm and parallel_residual exclude each other"
