"""Multi-head attention between its projections: head layout, rotary positions and the core.

Core of one sequence of s tokens and a heads of size d: S = Q K^T / sqrt(d), P = softmax(mask(S)), C =
dropout(P) V. Written as the kernels of an unfused framework: 2 products of 2 a s^2 d flops forward and 4
backward, with the whole score matrix in memory (causal masks do not shrink it). With a window of w keys the
matrix is a band, s x w a head, and so are its products (Beltagy et al. 2020, arXiv:2004.05150, section 3.1):
a framework that computes and masks the whole matrix takes longer. ``Layer.core`` carries the
dimensions for stacks that run one fused kernel instead (Dao et al. 2022, arXiv:2205.14135). What is kept
for the backward pass follows Korthikanti et al. 2022 (arXiv:2205.05198), section 4.1; the a s^2 terms are
those a fused kernel does without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import DROPOUT_RATE, bias_gradient, dropout, dropout_gradient, pointwise
from workloads.layers.tokens.feedforward import ACTIVATIONS
from workloads.layers.tokens.rotation import UNSAID, Rotation
from workloads.operators import (
    AttentionShape,
    Division,
    HeadSplit,
    MatmulShape,
    Operator,
    OperatorKind,
    Split,
)

LAYOUT = "qkv_layout"
SOFTMAX = "softmax"
ROPE = "rope"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChoices:
    """What is done to the scores beside softmax.

    Attributes:
        drop: dropout on the probabilities.
        alibi: adds a distance bias (Press et al. 2021, arXiv:2108.12409).
        cap: scores are squeezed into +- cap by cap x tanh(score / cap) (Gemma 2, arXiv:2408.00118, section
            2); 0 for none.
        sinks: every head has a learned logit that softmax counts beside the keys (GPT-OSS,
            arXiv:2508.10925, section 2.1; Xiao et al. 2023, arXiv:2309.17453).
    """

    drop: bool = False
    alibi: bool = False
    cap: float = 0.0
    sinks: bool = False


def attention_core(name: str, source: str, core: AttentionShape, choices: ScoreChoices) -> Layer:
    """The attention core: softmax(Q K^T / sqrt(d)) V, one sequence attending to itself or to another.

    Args:
        name: of the layer.
        source: layer that gives queries, keys and values of all heads.
        core: dimensions.
        choices: what is done to the scores.
    """
    return Layer(
        name=name,
        kind="attention",
        inputs=(source,),
        output_shape=(core.query_tokens, core.heads * core.value_features),
        parameters=core.heads if choices.sinks else 0,
        parameter_split=Split.COLUMN if choices.sinks else Split.REPLICATED,
        forward=_core_forward(core, choices),
        input_gradient=_core_backward(core, choices),
        weight_gradient=(bias_gradient(core.heads * core.query_tokens, core.heads, split=Split.HEADS),)
        if choices.sinks
        else (),
        saved=_core_saved(core, drop=choices.drop),
        selective=True,
        core=core,
        attributes={
            "rate": DROPOUT_RATE if choices.drop else 0.0,
            "alibi": int(choices.alibi),
            "cap": choices.cap,
            "sinks": int(choices.sinks),
        },
    )


def split_heads(name: str, source: str, core: AttentionShape, *, shared: bool = False) -> Layer:
    """Copies queries, keys and values out of their common projection into per-head layout.

    Args:
        name: of the layer.
        source: the projection.
        core: dimensions.
        shared: values are copies of the keys, and their gradients are added up (Gemma 4).
    """
    query, key, value = query_elements(core), key_elements(core), value_elements(core)
    split = key_split(core)
    copies = (_copy("query", query), _copy("key", key, split), _copy("value", value, split))
    even = not shared and core.value_features == core.head_size
    return Layer(
        name=name,
        kind="layout",
        inputs=(source,),
        output_shape=(core.query_tokens, core.features),
        forward=copies,
        input_gradient=(_copy("join", query + key + value, projection_split(core)),)
        if not shared
        else (
            _copy("join", query + key, projection_split(core, tensors=1)),
            pointwise("shared gradient", value, split=split, inputs=2),
        ),
        attributes={
            "operation": "split" if even else "split uneven",
            "heads": core.heads,
            "kv_heads": core.kv_heads,
            "head_size": core.head_size,
        },
    )


def head_gate(name: str, sources: tuple[str, str], core: AttentionShape) -> Layer:
    """What heads put out times a sigmoid of as many features (Qwen3-Next).

    Args:
        name: of the layer.
        sources: layers that give the merged heads and the projection that the gates are part of.
        core: dimensions.
    """
    elements = core.query_tokens * core.heads * core.value_features
    return Layer(
        name=name,
        kind="gate",
        inputs=sources,
        output_shape=(core.query_tokens, core.heads * core.value_features),
        forward=(pointwise("gate", elements, split=Split.COLUMN, inputs=2, work=4),),
        input_gradient=(pointwise("gate gradient", 2 * elements, split=Split.COLUMN, inputs=2, work=4),),
        saved=(SavedActivation(name="gated", elements=2 * elements, split=Split.COLUMN),),
    )


def merge_heads(name: str, source: str, core: AttentionShape) -> Layer:
    """Copies the heads' outputs back into one row per token."""
    width = core.heads * core.value_features
    copy = _copy("merge", core.query_tokens * width)
    return Layer(
        name=name,
        kind="layout",
        inputs=(source,),
        output_shape=(core.query_tokens, width),
        forward=(copy,),
        input_gradient=(copy,),
        attributes={"operation": "merge"},
    )


def rotary_positions(
    name: str, source: str, core: AttentionShape, *, features: int = 0, rotation: Rotation = UNSAID
) -> Layer:
    """Rotates queries and keys by their position (Su et al. 2021, arXiv:2104.09864).

    Args:
        name: of the layer.
        source: layer that gives queries, keys and values of all heads.
        core: dimensions of the attention.
        features: of every head that are rotated, the others pass; 0 for all.
        rotation: their angles.
    """
    turned = features or core.head_size
    operators = (
        *_rotation("query", core.query_tokens * core.heads * turned, Split.COLUMN),
        *_rotation("key", core.key_tokens * core.kv_heads * turned, key_split(core)),
    )
    return Layer(
        name=name,
        kind="rotary",
        inputs=(source,),
        output_shape=(core.query_tokens, core.features),
        forward=operators,
        input_gradient=operators,
        attributes={"features": features, **rotation.attributes},
    )


def latent_positions(
    name: str,
    sources: tuple[str, str],
    core: AttentionShape,
    *,
    rotated: int,
    rotation: Rotation = UNSAID,
) -> Layer:
    """Rotates the last features of every query, and those of the one key part that all heads share.

    Args:
        name: of the layer.
        sources: layers that give queries of all heads, and the narrow vector with the shared features.
        core: dimensions of the attention.
        rotated: features.
        rotation: their angles.
    """
    operators = (
        *_rotation("query", core.query_tokens * core.heads * rotated, Split.COLUMN),
        *_rotation("key", core.key_tokens * rotated, Split.REPLICATED),
    )
    return Layer(
        name=name,
        kind="rotary",
        inputs=sources,
        output_shape=(core.query_tokens, core.heads * core.head_size + rotated),
        forward=operators,
        input_gradient=operators,
        attributes={"features": rotated, "latent": 1, **rotation.attributes},
    )


def split_latent_heads(name: str, sources: tuple[str, str], core: AttentionShape, *, rotated: int) -> Layer:
    """Copies queries, keys and values into per-head layout; keys gain the features that heads share.

    Args:
        name: of the layer.
        sources: layers that give queries with the shared features of keys, and keys with values.
        core: dimensions of the attention.
        rotated: features of a key that heads share.
    """
    query, key, value = query_elements(core), key_elements(core), value_elements(core)
    shared = core.key_tokens * rotated
    return Layer(
        name=name,
        kind="layout",
        inputs=sources,
        output_shape=(
            core.query_tokens,
            core.heads * (2 * core.head_size + core.value_features),
        ),
        forward=(_copy("query", query), _copy("key", key), _copy("value", value)),
        input_gradient=(
            _copy("join", query + key + value),
            pointwise("shared key gradient", shared * core.heads, split=Split.COLUMN),
        ),
        attributes={"operation": "split latent"},
    )


def query_elements(core: AttentionShape) -> int:
    """Elements of the queries of one sequence."""
    return core.query_tokens * core.heads * core.head_size


def key_elements(core: AttentionShape) -> int:
    """Elements of the keys of one sequence."""
    return core.key_tokens * core.kv_heads * core.head_size


def value_elements(core: AttentionShape) -> int:
    """Elements of the values of one sequence."""
    return core.key_tokens * core.kv_heads * core.value_features


def projection_split(core: AttentionShape, *, tensors: int = 2) -> HeadSplit:
    """How the features of queries, keys and values together are divided over tensor-parallel ranks.

    Args:
        core: dimensions.
        tensors: of key-value heads in the projection: 1 where values are the keys.
    """
    return HeadSplit(axis=Split.COLUMN, queries=core.heads, kv_heads=core.kv_heads, tensors=tensors)


def key_split(core: AttentionShape) -> HeadSplit:
    """How the features of the keys (or the values) are divided over tensor-parallel ranks."""
    return HeadSplit(axis=Split.COLUMN, kv_heads=core.kv_heads)


def _scores(core: AttentionShape) -> int:
    return core.heads * core.query_tokens * core.reach


def _copy(name: str, elements: int, split: Division = Split.COLUMN) -> Operator:
    return pointwise(name, elements, split=split, fusion=LAYOUT, work=0)


def _rotation(name: str, elements: int, split: Division) -> tuple[Operator, ...]:
    return (
        pointwise(f"{name} rotate", elements, split=split, fusion=ROPE),
        pointwise(f"{name} sine", elements, split=split, fusion=ROPE, chained=1),
        pointwise(f"{name} cosine", elements, split=split, fusion=ROPE, inputs=2, chained=1, work=2),
    )


def _core_forward(core: AttentionShape, choices: ScoreChoices) -> tuple[Operator, ...]:
    scores = _scores(core)
    return (
        _product("scores", core, (core.query_tokens, core.reach, core.head_size)),
        _on_scores("scale", scores),
        *_score_changes(core, choices, scores),
        _softmax("softmax", scores, inputs=1, work=5),
        *((dropout(scores, split=Split.HEADS),) if choices.drop else ()),
        _product("context", core, (core.query_tokens, core.value_features, core.reach)),
    )


def _score_changes(core: AttentionShape, choices: ScoreChoices, scores: int) -> Iterator[Operator]:
    """What happens to scaled scores before softmax."""
    if choices.cap:
        yield _on_scores("cap", scores, chained=1, work=ACTIVATIONS["tanh"])
    if choices.alibi:
        yield _on_scores("alibi", scores, chained=1)
    if core.causal or core.window:
        yield _on_scores("mask", scores, chained=1)


def _core_backward(core: AttentionShape, choices: ScoreChoices) -> tuple[Operator, ...]:
    tokens, keys, size, scores = core.query_tokens, core.key_tokens, core.head_size, _scores(core)
    met = tokens * core.reach // keys  # queries that meet a key
    operators = [
        _product("probability gradient", core, (tokens, core.reach, core.value_features)),
        _product("value gradient", core, (keys, core.value_features, met)),
    ]
    if choices.drop:
        operators.append(dropout_gradient(scores, split=Split.HEADS))
    operators.append(_softmax("softmax gradient", scores, inputs=2, work=4, chained=0))
    if core.causal or core.window:
        operators.append(_on_scores("mask gradient", scores, chained=1))
    if choices.cap:
        operators.append(_on_scores("cap gradient", scores, chained=1, work=2 * ACTIVATIONS["tanh"]))
    operators.append(_on_scores("scale gradient", scores, chained=1))
    operators.append(_product("query gradient", core, (tokens, size, core.reach)))
    operators.append(_product("key gradient", core, (keys, size, met)))
    return tuple(operators)


def _core_saved(core: AttentionShape, *, drop: bool) -> tuple[SavedActivation, ...]:
    scores = _scores(core)
    saved = [
        SavedActivation(name="query", elements=query_elements(core), split=Split.HEADS),
        SavedActivation(name="key", elements=key_elements(core), split=key_split(core)),
        SavedActivation(name="value", elements=value_elements(core), split=key_split(core)),
        SavedActivation(name="probabilities", elements=scores, split=Split.HEADS, fused=True),
    ]
    if drop:
        saved += [
            SavedActivation(
                name="dropout mask", elements=scores, split=Split.HEADS, element_size=1, fused=True
            ),
            SavedActivation(name="dropped probabilities", elements=scores, split=Split.HEADS, fused=True),
        ]
    return tuple(saved)


def _product(name: str, core: AttentionShape, extents: Sequence[int]) -> Operator:
    rows, columns, depth = extents
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * core.heads * rows * columns * depth,
        reads=core.heads * depth * (rows + columns),
        writes=core.heads * rows * columns,
        shape=MatmulShape(
            rows=rows, columns=columns, depth=depth, products=core.heads, batch_axis="products"
        ),
        split=Split.HEADS,
    )


def _on_scores(name: str, scores: int, *, chained: int = 0, work: int = 1) -> Operator:
    return pointwise(name, scores, split=Split.HEADS, fusion=SOFTMAX, chained=chained, work=work)


def _softmax(name: str, scores: int, *, inputs: int, work: int, chained: int = 1) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.SOFTMAX,
        flops=work * scores,
        reads=inputs * scores,
        writes=scores,
        split=Split.HEADS,
        fusion=SOFTMAX,
        chained=chained * scores,
    )
