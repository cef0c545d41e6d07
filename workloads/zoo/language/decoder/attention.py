"""The attention branch of a transformer block: from the residual stream to what is added to it.

Plain: one projection to queries, keys and values (grouped-query attention, Ainslie et al. 2023,
arXiv:2305.13245). Latent: narrow vectors per token first, from which all heads' queries, keys and values are
projected (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1). The narrow projections are small, so every
tensor-parallel rank holds them whole and computes them on its part of the sequence; what it gathers before
the wide ones is the narrow vector (Megatron-Core, ``MLASelfAttention``).
"""

from dataclasses import fields, replace
from typing import Any

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection, sequence_projection
from workloads.layers.tokens.attention import (
    ScoreChoices,
    attention_core,
    head_gate,
    key_split,
    latent_positions,
    merge_heads,
    projection_split,
    rotary_positions,
    split_heads,
    split_latent_heads,
)
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import AttentionShape, Split
from workloads.zoo.language.decoder.config import DecoderConfig, LayerChoice
from workloads.zoo.language.decoder.norms import inner_norm
from workloads.zoo.language.decoder.parts import LatentAttention


def attention_shape(config: DecoderConfig, choice: LayerChoice) -> AttentionShape:
    """Dimensions of the attention core of a layer."""
    latent = config.latent
    return AttentionShape(
        query_tokens=config.tokens,
        key_tokens=config.tokens,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_size=latent.plain_size + latent.rotary_size if latent else config.head_size,
        causal=config.causal,
        window=choice.window,
        chunked=config.chunked and choice.window > 0,
        value_size=latent.value_size if latent else config.value_size,
    )


def with_heads(config: DecoderConfig, choice: LayerChoice) -> DecoderConfig:
    """The configuration with the heads that a layer has."""
    heads = config.full_heads
    if heads is None or not choice.full:
        return config
    own: dict[str, Any] = {part.name: getattr(heads, part.name) for part in fields(heads)}
    return replace(config, full_heads=None, full=(), **own)


def attention_branch(config: DecoderConfig, choice: LayerChoice, source: str) -> tuple[Layer, ...]:
    """Projections, positions, core and output projection; the last layer is ``projection``."""
    config = with_heads(config, choice)
    core = attention_shape(config, choice)
    layers = (
        _latent_heads(config, config.latent, core, source)
        if config.latent
        else _plain_heads(config, choice, core, source)
    )
    out = Projection(tokens=config.tokens, inputs=core.heads * core.value_features, outputs=config.hidden)
    scores = ScoreChoices(
        drop=config.dropout or config.attention_dropout,
        alibi=config.positions == "alibi",
        cap=config.score_cap,
        sinks=config.sinks,
    )
    heads = [
        *layers,
        attention_core("attention", layers[-1].name, core, scores),
        merge_heads("merge", "attention", core),
    ]
    if config.gated_heads:
        heads.append(head_gate("gate", ("merge", "qkv"), core))
    if config.sub_norm:
        heads.append(inner_norm(config, "projection_norm", heads[-1].name, core.heads * core.value_features))
    return (*heads, row_projection("projection", heads[-1].name, out))


def _plain_heads(
    config: DecoderConfig, choice: LayerChoice, core: AttentionShape, source: str
) -> list[Layer]:
    shared = config.shared_values
    gates = config.heads * config.head_size if config.gated_heads else 0
    absent = config.kv_heads * core.value_features if shared else 0
    into = Projection(tokens=config.tokens, inputs=config.hidden, outputs=core.features + gates - absent)
    split = projection_split(core, tensors=1 if shared else 2)
    layers = [
        column_projection("qkv", source, into, bias=config.qkv_bias, split=split),
        split_heads("split", "qkv", core, shared=shared),
    ]
    if config.qk_norm:
        layers += _head_norms(config, core, "split")
    if config.value_norm:
        layers.append(_value_norm(config, core, layers[-1].name))
    if config.positions == "rotary" and choice.rotated:
        turned, angles = config.rotary_size, config.rotation
        layers.append(rotary_positions("rotary", layers[-1].name, core, features=turned, rotation=angles))
    return layers


def _head_norms(config: DecoderConfig, core: AttentionShape, source: str) -> list[Layer]:
    kind = config.normalization
    layers = []
    for part, before, heads, split in (
        ("query", source, config.heads, Split.COLUMN),
        ("key", "query_norm", config.kv_heads, key_split(core)),
    ):
        together = heads if config.qk_norm == "width" else 1
        layer = token_norm(
            f"{part}_norm",
            before,
            kind=kind,
            tokens=config.tokens * heads // together,
            features=config.head_size * together,
            shift=config.norm_shift if config.qk_norm_shift is None else config.qk_norm_shift,
            split=split,
        )
        own = heads if config.qk_norm == "own" else 1
        layers.append(
            replace(
                layer,
                parameters=layer.parameters * own,
                parameter_split=split if own * together > 1 else Split.REPLICATED,
                attributes={"over": kind, "part": part, "scales": config.qk_norm},
            )
        )
    return layers


def _value_norm(config: DecoderConfig, core: AttentionShape, source: str) -> Layer:
    """Values of every head normalised, with nothing to train."""
    layer = token_norm(
        "value_norm",
        source,
        kind="standardization",
        tokens=config.tokens * config.kv_heads,
        features=core.value_features,
        split=key_split(core),
    )
    return replace(layer, attributes={"over": "standardization", "part": "value"})


def _latent_heads(
    config: DecoderConfig, latent: LatentAttention, core: AttentionShape, source: str
) -> list[Layer]:
    tokens, heads = config.tokens, config.heads
    size = core.head_size
    narrow = Projection(tokens=tokens, inputs=config.hidden, outputs=latent.rank + latent.rotary_size)
    wide = Projection(
        tokens=tokens, inputs=latent.rank, outputs=heads * (latent.plain_size + latent.value_size)
    )
    key_down = sequence_projection("kv_down", source, narrow, bias=config.qkv_bias)
    fork = pointwise("gradient sum", tokens * config.hidden, split=Split.SEQUENCE, inputs=2)
    return [
        *_latent_queries(config, latent, source, heads * size),
        # queries read the same input, whose gradients are added up here, and keep it
        replace(key_down, saved=(), input_gradient=(*key_down.input_gradient, fork)),
        _latent_norm(config, "kv_norm", "kv_down", latent.rank),
        column_projection("kv_up", "kv_norm", wide),
        latent_positions(
            "rotary", ("query", "kv_down"), core, rotated=latent.rotary_size, rotation=config.rotation
        ),
        split_latent_heads("split", ("rotary", "kv_up"), core, rotated=latent.rotary_size),
    ]


def _latent_queries(config: DecoderConfig, latent: LatentAttention, source: str, width: int) -> list[Layer]:
    tokens, rank = config.tokens, latent.query_rank
    if not rank:
        return [
            column_projection("query", source, Projection(tokens=tokens, inputs=config.hidden, outputs=width))
        ]
    down = Projection(tokens=tokens, inputs=config.hidden, outputs=rank)
    return [
        sequence_projection("query_down", source, down, bias=config.qkv_bias),
        _latent_norm(config, "query_norm", "query_down", rank),
        column_projection("query", "query_norm", Projection(tokens=tokens, inputs=rank, outputs=width)),
    ]


def _latent_norm(config: DecoderConfig, name: str, source: str, features: int) -> Layer:
    return token_norm(name, source, kind=config.normalization, tokens=config.tokens, features=features)
