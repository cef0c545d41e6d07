"""Transformer-XL: segments that attend to the one before, with relative positions.

Dai et al. 2019 (arXiv:1901.02860), section 3: keys and values of a layer come from the segment and the memory
of the one before; scores are content (q + u) k and position (q + v) r, where r is a projection of sinusoids
shared by all samples. Words of WikiText-103 are embedded and predicted by frequency (Grave et al. 2017,
arXiv:1609.04309): the common ones and three clusters for every token, a cluster's words for its own tokens,
whose share is assumed (``CLUSTERED``). Dimensions of NVIDIA's DeepLearningExamples, PyTorch/LanguageModeling/
Transformer-XL (``wt103_base.yaml``, ``wt103_large.yaml``). Without ``--adaptive``, which both files set, its
``train.py`` predicts every word for every token: networks named ``-full-softmax``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, replicated_projection, row_projection
from workloads.layers.residual import residual_addition
from workloads.layers.tokens.attention import (
    ScoreChoices,
    attention_core,
    key_elements,
    merge_heads,
    query_elements,
)
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_loss import token_loss
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import AttentionShape, MatmulShape, Operator, OperatorKind, Split

SOURCE = (
    "Dai et al. 2019 (arXiv:1901.02860); NVIDIA DeepLearningExamples, PyTorch/LanguageModeling/Transformer-XL"
)
VOCAB = 267_735
CUTS = (0, 19_997, 39_997, 199_997, VOCAB)
"""Ends of the common words and of the clusters, by frequency."""
CLUSTERED = (0.05, 0.04, 0.01)
"""Share of tokens in each cluster of rarer words: assumed, as words of WikiText-103 follow Zipf's law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """Dimensions of a Transformer-XL.

    Attributes:
        name: registered name.
        layers, hidden, heads, head_size, ffn: as in a decoder.
        shrink: features of the embedding shrink by this from cluster to cluster; 1 for none.
        adaptive: words stand in clusters; otherwise all of them are predicted for every token.
        tokens: of a segment.
        memory: tokens of the segment before that keys and values see.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    head_size: int
    ffn: int
    shrink: int
    tokens: int
    memory: int
    adaptive: bool = True


def build_transformer_xl(config: SegmentConfig) -> Network:
    """The network; its sample is one segment."""
    layer = Block(name="decoder", layers=_layer(config), count=config.layers)
    return Network(
        name=config.name,
        blocks=(
            Block(name="embedding", layers=tuple(_embedding(config)), recomputable=False),
            layer,
            Block(name="head", layers=tuple(_head(config)), recomputable=False),
        ),
        source=SOURCE,
        sample="sequence",
        tokens=config.tokens,
    )


def _sizes(config: SegmentConfig) -> Iterator[tuple[int, int, float]]:
    """Words, features and share of tokens of the common words and of each cluster."""
    if not config.adaptive:
        yield VOCAB, config.hidden, 1.0
        return
    shares = (1 - sum(CLUSTERED), *CLUSTERED)
    for number, share in enumerate(shares):
        words = CUTS[number + 1] - CUTS[number]
        yield words, config.hidden // config.shrink**number, share


def _embedding(config: SegmentConfig) -> Iterator[Layer]:
    tokens, hidden = config.tokens, config.hidden
    if config.shrink == 1:
        yield token_embedding("tokens", tokens=tokens, hidden=hidden, vocab=VOCAB)
        return
    for number, (words, features, share) in enumerate(_sizes(config)):
        rows = max(1, round(tokens * share))
        yield token_embedding(f"tokens{number}", tokens=rows, hidden=features, vocab=words)
        size = Projection(tokens=rows, inputs=features, outputs=hidden)
        yield replicated_projection(f"widen{number}", f"tokens{number}", size)
    elements = tokens * hidden
    yield Layer(
        name="scatter",
        kind="scatter",
        inputs=tuple(f"widen{number}" for number in range(len(CUTS) - 1)),
        output_shape=(tokens, hidden),
        forward=(
            Operator(name="scatter", kind=OperatorKind.GATHER, flops=0, reads=elements, writes=elements),
        ),
        input_gradient=(
            Operator(name="gather", kind=OperatorKind.GATHER, flops=0, reads=elements, writes=elements),
        ),
    )


def _layer(config: SegmentConfig) -> tuple[Layer, ...]:
    """Attention over segment and memory, feed-forward network, both normalised behind their addition."""
    tokens, hidden, width = config.tokens, config.hidden, config.heads * config.head_size
    keys = tokens + config.memory
    core = AttentionShape(
        query_tokens=tokens,
        key_tokens=keys,
        heads=config.heads,
        kv_heads=config.heads,
        head_size=config.head_size,
        causal=False,
        crossed=True,
    )
    into = column_projection("query", "input", Projection(tokens=tokens, inputs=hidden, outputs=width))
    both = column_projection("key_value", "input", Projection(tokens=keys, inputs=hidden, outputs=2 * width))
    place = replicated_projection("positions", "input", Projection(tokens=keys, inputs=hidden, outputs=width))
    elements = query_elements(core) + 2 * key_elements(core)
    split = Layer(
        name="split",
        kind="layout",
        inputs=("query", "key_value"),
        output_shape=(tokens + 2 * keys, width),
        forward=(pointwise("split", elements, split=Split.COLUMN, fusion="qkv_layout", work=0),),
        input_gradient=(pointwise("join", elements, split=Split.COLUMN, work=0),),
        attributes={"operation": "split crossed"},
    )
    attention = attention_core("attention", "split", core, ScoreChoices(drop=True))
    out = Projection(tokens=tokens, inputs=width, outputs=hidden)
    up = Projection(tokens=tokens, inputs=hidden, outputs=config.ffn)
    down = Projection(tokens=tokens, inputs=config.ffn, outputs=hidden)
    size = {"tokens": tokens, "hidden": hidden}
    norm = partial(token_norm, kind="layernorm", tokens=tokens, features=hidden, forked=True)
    return (
        replace(into, tensor_entry=0),
        replace(both, tensor_entry=0),
        replace(place, saved=(), input_gradient=()),  # sinusoids have no gradient and are the same for all
        split,
        _position_scores(config, core),
        # content and position scores are added before the softmax, so no tiled kernel fits
        replace(attention, core=None, inputs=("position_scores",)),
        merge_heads("merge", "attention", core),
        replace(row_projection("projection", "merge", out), tensor_exit=0),
        residual_addition("residual1", "projection", "input", bias=False, drop=True, **size),
        norm("norm1", "residual1"),
        replace(column_projection("up", "norm1", up), tensor_entry=0),
        plain_activation("relu", "up", tokens=tokens, width=config.ffn, function="relu", bias=True),
        replace(row_projection("down", "relu", down), tensor_exit=0),
        residual_addition("residual2", "down", "norm1", bias=True, drop=True, **size),
        norm("norm2", "residual2"),
    )


def _position_scores(config: SegmentConfig, core: AttentionShape) -> Layer:
    """(q + v) r, shifted so that each query sees its own distances, and the biases u and v."""
    queries, keys, size = core.query_tokens, core.key_tokens, core.head_size
    scores = core.heads * queries * keys

    def product(name: str, rows: int, columns: int, depth: int) -> Operator:
        return Operator(
            name=name,
            kind=OperatorKind.MATMUL,
            flops=2 * core.heads * rows * columns * depth,
            reads=core.heads * depth * (rows + columns),
            writes=core.heads * rows * columns,
            shape=MatmulShape(
                rows=rows, columns=columns, depth=depth, products=core.heads, batch_axis="products"
            ),
        )

    whole = Split.REPLICATED
    return Layer(
        name="position_scores",
        kind="position_scores",
        inputs=("split", "positions"),
        output_shape=(queries + 2 * keys, core.heads * size),
        parameters=2 * config.heads * config.head_size,
        forward=(
            pointwise("biases", 2 * query_elements(core), split=whole),
            product("position scores", queries, keys, size),
            pointwise("shift", scores, split=whole, work=0),
            pointwise("add scores", scores, split=whole, inputs=2),
        ),
        input_gradient=(
            pointwise("shift back", scores, split=whole, work=0),
            product("query gradient", queries, size, keys),
            product("position gradient", keys, size, queries),
            pointwise("gradient sum", query_elements(core), split=whole, inputs=2),
        ),
        saved=(SavedActivation(name="position scores", elements=scores),),
    )


def _head(config: SegmentConfig) -> Iterator[Layer]:
    """Common words and clusters for every token, a cluster's words for its own."""
    tokens, clusters = config.tokens, len(CLUSTERED) if config.adaptive else 0
    read = "input"
    for number, (words, features, share) in enumerate(_sizes(config)):
        rows = tokens if number == 0 else max(1, round(tokens * share))
        outputs = words + clusters if number == 0 else words
        source, own = read, clusters * (features + 1) if number == 0 else 0
        if config.shrink > 1:
            narrow = Projection(tokens=rows, inputs=config.hidden, outputs=features)
            source = f"narrow{number}"
            yield replace(replicated_projection(source, read, narrow), tied=f"embedding/widen{number}")
        size = Projection(tokens=rows, inputs=features, outputs=outputs)
        table = "embedding/tokens" if config.shrink == 1 else f"embedding/tokens{number}"
        yield replace(replicated_projection(f"logits{number}", source, size), tied=table)
        yield Layer(
            name=f"bias{number}",
            kind="bias",
            inputs=(f"logits{number}",),
            output_shape=(rows, outputs),
            parameters=words + own,
            forward=(pointwise("bias", rows * outputs, split=Split.REPLICATED, weights=outputs),),
        )
        loss = token_loss(f"loss{number}", f"bias{number}", tokens=rows, vocab=outputs)
        yield replace(loss, inputs=(f"bias{number}",))


def _build(config: SegmentConfig, *, tokens: int | None = None) -> Network:
    if tokens is not None:
        config = replace(config, tokens=tokens, memory=tokens)
    return build_transformer_xl(config)


_BASE = SegmentConfig(
    name="transformer-xl-base",
    layers=16,
    hidden=512,
    heads=8,
    head_size=64,
    ffn=2048,
    shrink=1,
    tokens=192,
    memory=192,
)
_LARGE = SegmentConfig(
    name="transformer-xl-large",
    layers=18,
    hidden=1024,
    heads=16,
    head_size=64,
    ffn=4096,
    shrink=4,
    tokens=384,
    memory=384,
)
_CONFIGS = (
    _BASE,
    _LARGE,
    *(
        replace(config, name=f"{config.name}-full-softmax", shrink=1, adaptive=False)
        for config in (_BASE, _LARGE)
    ),
)
NETWORKS: dict[str, Callable[..., Network]] = {config.name: partial(_build, config) for config in _CONFIGS}
