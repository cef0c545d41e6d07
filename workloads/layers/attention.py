"""Multi-head attention between its projections: head layout, rotary positions and the core.

Core of one sequence of s tokens and a heads of size d: S = Q K^T / sqrt(d), P = softmax(mask(S)), C =
dropout(P) V. Written as the kernels of an unfused framework: 2 products of 2 a s^2 d flops forward and 4
backward, with the whole score matrix in memory (causal masks do not shrink it). ``Layer.core`` carries the
dimensions for stacks that run one fused kernel instead (Dao et al. 2022, arXiv:2205.14135). What is kept
for the backward pass follows Korthikanti et al. 2022 (arXiv:2205.05198), section 4.1; the a s^2 terms are
those a fused kernel does without.
"""

from collections.abc import Sequence

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import DROPOUT_RATE, dropout, dropout_gradient, pointwise
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


def attention_core(
    name: str, source: str, core: AttentionShape, *, drop: bool = False, alibi: bool = False
) -> Layer:
    """The attention core: softmax(Q K^T / sqrt(d)) V, one sequence attending to itself.

    Args:
        name: of the layer.
        source: layer that gives queries, keys and values of all heads.
        core: dimensions; queries and keys have the same number of tokens.
        drop: dropout on the probabilities.
        alibi: adds a distance bias to the scores (Press et al. 2021, arXiv:2108.12409).
    """
    width = core.heads * core.head_size
    return Layer(
        name=name,
        kind="attention",
        inputs=(source,),
        output_shape=(core.query_tokens, width),
        forward=_core_forward(core, drop=drop, alibi=alibi),
        input_gradient=_core_backward(core, drop=drop),
        saved=_core_saved(core, drop=drop),
        selective=True,
        core=core,
        attributes={"rate": DROPOUT_RATE if drop else 0.0, "alibi": int(alibi)},
    )


def split_heads(name: str, source: str, core: AttentionShape) -> Layer:
    """Copies queries, keys and values out of their common projection into per-head layout."""
    query, key = query_elements(core), key_elements(core)
    split = key_split(core)
    copies = (_copy("query", query), _copy("key", key, split), _copy("value", key, split))
    return Layer(
        name=name,
        kind="layout",
        inputs=(source,),
        output_shape=(core.query_tokens, (core.heads + 2 * core.kv_heads) * core.head_size),
        forward=copies,
        input_gradient=(_copy("join", query + 2 * key, projection_split(core)),),
        attributes={
            "operation": "split",
            "heads": core.heads,
            "kv_heads": core.kv_heads,
            "head_size": core.head_size,
        },
    )


def merge_heads(name: str, source: str, core: AttentionShape) -> Layer:
    """Copies the heads' outputs back into one row per token."""
    copy = _copy("merge", query_elements(core))
    return Layer(
        name=name,
        kind="layout",
        inputs=(source,),
        output_shape=(core.query_tokens, core.heads * core.head_size),
        forward=(copy,),
        input_gradient=(copy,),
        attributes={"operation": "merge"},
    )


def rotary_positions(name: str, source: str, core: AttentionShape) -> Layer:
    """Rotates queries and keys by their position (Su et al. 2021, arXiv:2104.09864)."""
    operators = (
        *_rotation("query", query_elements(core), Split.COLUMN),
        *_rotation("key", key_elements(core), key_split(core)),
    )
    return Layer(
        name=name,
        kind="rotary",
        inputs=(source,),
        output_shape=(core.query_tokens, (core.heads + 2 * core.kv_heads) * core.head_size),
        forward=operators,
        input_gradient=operators,
    )


def query_elements(core: AttentionShape) -> int:
    """Elements of the queries of one sequence."""
    return core.query_tokens * core.heads * core.head_size


def key_elements(core: AttentionShape) -> int:
    """Elements of the keys (or the values) of one sequence."""
    return core.key_tokens * core.kv_heads * core.head_size


def projection_split(core: AttentionShape) -> HeadSplit:
    """How the features of queries, keys and values together are divided over tensor-parallel ranks."""
    return HeadSplit(axis=Split.COLUMN, queries=core.heads, kv_heads=core.kv_heads, tensors=2)


def key_split(core: AttentionShape) -> HeadSplit:
    """How the features of the keys (or the values) are divided over tensor-parallel ranks."""
    return HeadSplit(axis=Split.COLUMN, kv_heads=core.kv_heads)


def _scores(core: AttentionShape) -> int:
    return core.heads * core.query_tokens * core.key_tokens


def _copy(name: str, elements: int, split: Division = Split.COLUMN) -> Operator:
    return pointwise(name, elements, split=split, fusion=LAYOUT, work=0)


def _rotation(name: str, elements: int, split: Division) -> tuple[Operator, ...]:
    return (
        pointwise(f"{name} rotate", elements, split=split, fusion=ROPE),
        pointwise(f"{name} sine", elements, split=split, fusion=ROPE, chained=1),
        pointwise(f"{name} cosine", elements, split=split, fusion=ROPE, inputs=2, chained=1, work=2),
    )


def _core_forward(core: AttentionShape, *, drop: bool, alibi: bool) -> tuple[Operator, ...]:
    tokens, keys, size, scores = core.query_tokens, core.key_tokens, core.head_size, _scores(core)
    operators = [
        _product("scores", core, (tokens, keys, size)),
        _on_scores("scale", scores),
    ]
    if alibi:
        operators.append(_on_scores("alibi", scores, chained=1))
    if core.causal:
        operators.append(_on_scores("mask", scores, chained=1))
    operators.append(_softmax("softmax", scores, inputs=1, work=5))
    if drop:
        operators.append(dropout(scores, split=Split.HEADS))
    operators.append(_product("context", core, (tokens, size, keys)))
    return tuple(operators)


def _core_backward(core: AttentionShape, *, drop: bool) -> tuple[Operator, ...]:
    tokens, keys, size, scores = core.query_tokens, core.key_tokens, core.head_size, _scores(core)
    operators = [
        _product("probability gradient", core, (tokens, keys, size)),
        _product("value gradient", core, (keys, size, tokens)),
    ]
    if drop:
        operators.append(dropout_gradient(scores, split=Split.HEADS))
    operators.append(_softmax("softmax gradient", scores, inputs=2, work=4, chained=0))
    if core.causal:
        operators.append(_on_scores("mask gradient", scores, chained=1))
    operators.append(_on_scores("scale gradient", scores, chained=1))
    operators.append(_product("query gradient", core, (tokens, size, keys)))
    operators.append(_product("key gradient", core, (keys, size, tokens)))
    return tuple(operators)


def _core_saved(core: AttentionShape, *, drop: bool) -> tuple[SavedActivation, ...]:
    scores = _scores(core)
    saved = [
        SavedActivation(name="query", elements=query_elements(core), split=Split.HEADS),
        SavedActivation(name="key", elements=key_elements(core), split=key_split(core)),
        SavedActivation(name="value", elements=key_elements(core), split=key_split(core)),
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


def _on_scores(name: str, scores: int, *, chained: int = 0) -> Operator:
    return pointwise(name, scores, split=Split.HEADS, fusion=SOFTMAX, chained=chained)


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
