"""Transformer stacks from their dimensions: the common ground of GPT, Llama, MPT and BERT.

Vaswani et al. 2017 (arXiv:1706.03762) as later families write it: pre-normalised (or post-normalised)
residual branches of attention and feed-forward network, grouped-query attention (Ainslie et al. 2023,
arXiv:2305.13245), gated feed-forward networks, learned, rotary or linear-bias positions, tied or own output
weights.

Parameters of a pre-normalised GPT of l layers, hidden size h, vocabulary V and s positions: 12 l h^2 + 13 l
h + (V + s) h + 2 h (Narayanan et al. 2021, arXiv:2104.04473, equation 2, plus the final normalisation).
"""

from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.attention import (
    attention_core,
    key_split,
    merge_heads,
    projection_split,
    rotary_positions,
    split_heads,
)
from workloads.layers.embedding import embedding_dropout, position_embedding, token_embedding
from workloads.layers.feedforward import gated_activation, plain_activation
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.residual import residual_addition
from workloads.layers.token_loss import token_loss
from workloads.layers.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import AttentionShape, Split
from workloads.zoo.decoder_config import DecoderConfig

__all__ = ["DecoderConfig", "build_decoder"]


def build_decoder(config: DecoderConfig) -> Network:
    """The network of these dimensions: blocks ``embedding``, ``decoder`` (repeated) and ``head``.

    Args:
        config: checked dimensions.

    Returns:
        A network whose sample is one sequence of ``config.tokens`` tokens.
    """
    block = Block(name="decoder", layers=transformer_layers(config), count=config.layers)
    embedding = Block(name="embedding", layers=embedding_layers(config), recomputable=False)
    head = Block(name="head", layers=head_layers(config), recomputable=False)
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
        kv_heads=config.kv_heads,
    )


def embedding_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Token table, positions, segments, normalisation and dropout, as far as the configuration has them."""
    tokens, hidden = config.tokens, config.hidden
    layers = [token_embedding("tokens", tokens=tokens, hidden=hidden, vocab=config.vocab)]
    if config.positions == "learned":
        rows = config.max_positions
        layers.append(position_embedding("positions", "tokens", tokens=tokens, hidden=hidden, rows=rows))
    if config.segments:
        size = {"tokens": tokens, "hidden": hidden, "rows": config.segments}
        layers.append(position_embedding("segments", layers[-1].name, **size, index="segment"))
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
        replace(column_projection("logits", "norm", size, tied=tied), narrow=False),
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
    layers = [
        column_projection("qkv", source, into, bias=config.qkv_bias, split=projection_split(core)),
        split_heads("split", "qkv", core),
    ]
    if config.qk_norm:
        layers += _head_norms(config, "split")
    if config.positions == "rotary":
        layers.append(rotary_positions("rotary", layers[-1].name, core))
    alibi = config.positions == "alibi"
    layers.append(attention_core("attention", layers[-1].name, core, drop=config.dropout, alibi=alibi))
    layers += [merge_heads("merge", "attention", core), row_projection("projection", "merge", out)]
    return (*layers, _residual(config, "residual1", "projection", residual))


def _head_norms(config: DecoderConfig, source: str) -> list[Layer]:
    kind = config.normalization
    return [
        replace(
            token_norm(
                f"{part}_norm",
                before,
                kind=kind,
                tokens=config.tokens * heads,
                features=config.head_size,
                split=split,
            ),
            attributes={"over": kind, "part": part},
        )
        for part, before, heads, split in (
            ("query", source, config.heads, Split.COLUMN),
            ("key", "query_norm", config.kv_heads, key_split(attention_shape(config))),
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
