"""What a decoder that listens to an encoder has beside its own stack: cross-attention and relative positions.

Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.3: queries come from the decoder, keys and values from the
encoder's output, which passes unchanged through all decoder blocks (``Block.carried``) and is kept once. Its
gradient is the sum of what every block sends back. Relative positions (Raffel et al. 2019, arXiv:1910.10683,
section 2.1): one number per bucket of distances and head is added to the scores, the same in all layers of a
stack.
"""

from dataclasses import replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.tokens.attention import (
    ScoreChoices,
    attention_core,
    key_elements,
    merge_heads,
    query_elements,
)
from workloads.operators import AttentionShape, Operator, OperatorKind, Split

MEMORY = "memory"


def cross_attention(
    source: str, core: AttentionShape, *, hidden: int, biases: tuple[bool, bool, bool], drop: bool
) -> tuple[Layer, ...]:
    """Queries of one layer on the encoder's output; the last layer is ``cross_projection``.

    Args:
        source: layer that gives the decoder's tokens.
        core: dimensions of the attention.
        hidden: features of both residual streams.
        biases: whether the projections to queries, keys and values add one.
        drop: dropout on the probabilities.
    """
    width, keys = core.heads * core.head_size, core.key_tokens
    query = Projection(tokens=core.query_tokens, inputs=hidden, outputs=width)
    both = Projection(tokens=keys, inputs=hidden, outputs=2 * width)
    out = Projection(tokens=core.query_tokens, inputs=width, outputs=hidden)
    memory = column_projection("cross_kv", MEMORY, both, bias=biases[1] or biases[2])
    unbiased = (0 if biases[1] else width) if biases[1] or biases[2] else 0
    fork = pointwise("gradient sum", keys * hidden, split=Split.SEQUENCE, inputs=2)
    return (
        carried_output(MEMORY, tokens=keys, hidden=hidden),
        column_projection("cross_query", source, query, bias=biases[0]),
        replace(
            memory,
            parameters=memory.parameters - unbiased,
            saved=(),
            input_gradient=(*memory.input_gradient, fork),
        ),
        split_crossed("cross_split", ("cross_query", "cross_kv"), core),
        replace(
            attention_core("cross_attention", "cross_split", core, ScoreChoices(drop=drop)),
            inputs=("cross_split",),
        ),
        merge_heads("cross_merge", "cross_attention", core),
        row_projection("cross_projection", "cross_merge", out),
    )


def carried_output(name: str, *, tokens: int, hidden: int) -> Layer:
    """The part of a block's input that passes through: the encoder's output. It runs nothing."""
    return Layer(name=name, kind="memory", inputs=("input",), output_shape=(tokens, hidden))


def relative_positions(name: str, *, tokens: int, heads: int, buckets: int) -> Layer:
    """The bias of every pair of tokens and head, looked up once for all layers of a stack."""
    elements = heads * tokens * tokens
    lookup = Operator(
        name="lookup",
        kind=OperatorKind.GATHER,
        flops=0,
        reads=elements,
        writes=elements,
        split=Split.HEADS,
    )
    scatter = Operator(
        name="scatter",
        kind=OperatorKind.GATHER,
        flops=elements,
        reads=elements,
        weights=buckets * heads,
        split=Split.HEADS,
    )
    return Layer(
        name=name,
        kind="relative_positions",
        inputs=("input",),
        output_shape=(buckets, heads),
        parameters=buckets * heads,
        parameter_split=Split.COLUMN,
        forward=(lookup,),
        weight_gradient=(scatter,),
        saved=(SavedActivation(name="bias", elements=elements, split=Split.HEADS),),
    )


def fixed_positions(name: str, source: str, *, tokens: int, hidden: int) -> Layer:
    """Adds sinusoids to embedded tokens (Vaswani et al. 2017, section 3.5); they are not trained."""
    return Layer(
        name=name,
        kind="position",
        inputs=(source,),
        output_shape=(tokens, hidden),
        forward=(pointwise("add", tokens * hidden, split=Split.SEQUENCE, inputs=2),),
    )


def split_crossed(name: str, sources: tuple[str, str], core: AttentionShape) -> Layer:
    """Copies queries of one projection, keys and values of another into per-head layout."""
    query, key = query_elements(core), key_elements(core)
    return Layer(
        name=name,
        kind="layout",
        inputs=sources,
        output_shape=(core.query_tokens + 2 * core.key_tokens, core.heads * core.head_size),
        forward=(
            pointwise("query", query, split=Split.COLUMN, fusion="qkv_layout", work=0),
            pointwise("key and value", 2 * key, split=Split.COLUMN, fusion="qkv_layout", work=0),
        ),
        input_gradient=(pointwise("join", query + 2 * key, split=Split.COLUMN, work=0),),
        attributes={"operation": "split crossed"},
    )
