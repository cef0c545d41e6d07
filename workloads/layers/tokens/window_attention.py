"""Attention inside windows of a map: Liu et al. 2021, arXiv:2103.14030, section 3.2.

The tokens of each window attend to one another, with a trained bias by relative position (equation 4). In
every second block the windows are shifted by half a window: the map is rolled, and scores across its edges
are masked. Windows are independent heads to a kernel, so the core of h heads on n windows of m tokens is
written as n h heads on m tokens.
"""

from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.tokens.attention import LAYOUT, ScoreChoices, attention_core, split_heads
from workloads.operators import AttentionShape, Operator, OperatorKind, Split


def window_core(*, tokens: int, window: int, heads: int, head_size: int) -> AttentionShape:
    """The attention of all windows of ``window`` x ``window`` tokens."""
    inside = window * window
    count = heads * tokens // inside
    return AttentionShape(
        query_tokens=inside,
        key_tokens=inside,
        heads=count,
        kv_heads=count,
        head_size=head_size,
        causal=False,
    )


def window_attention(
    name: str, source: str, core: AttentionShape, *, heads: int, window: int, shifted: bool
) -> Layer:
    """The core of all windows, with its table of (2 window - 1)^2 biases a head.

    Args:
        name: of the layer.
        source: layer that gives queries, keys and values.
        core: of all windows, by :func:`window_core`.
        heads: of one window.
        window: tokens on a side.
        shifted: scores are masked as well.
    """
    layer = attention_core(name, source, core, ScoreChoices(alibi=True))
    scores = core.heads * core.query_tokens * core.key_tokens
    table = (2 * window - 1) ** 2 * heads
    biased = tuple(_with_table(operator, table) for operator in layer.forward)
    if shifted:
        place = next(i for i, operator in enumerate(biased) if operator.name == "position bias") + 1
        mask = pointwise("mask", scores, split=Split.HEADS, fusion=biased[1].fusion, chained=1)
        biased = (*biased[:place], mask, *biased[place:])
    gradient = Operator(
        name="table gradient",
        kind=OperatorKind.REDUCTION,
        flops=scores,
        reads=scores,
        weights=table,
        split=Split.HEADS,
    )
    return replace(
        layer,
        kind="window_attention",
        output_shape=(core.query_tokens * core.heads // heads, heads * core.head_size),
        parameters=table,
        parameter_split=Split.HEADS,
        forward=biased,
        weight_gradient=(gradient,),
        attributes={"window": window, "heads": heads},
    )


def split_window_heads(name: str, source: str, core: AttentionShape, *, heads: int) -> Layer:
    """Queries, keys and values of the heads of all windows, ``heads`` in each."""
    layer = split_heads(name, source, core)
    width = core.heads // heads * core.query_tokens, 3 * heads * core.head_size
    counts = {"heads": heads, "kv_heads": heads, "head_size": core.head_size}
    return replace(layer, output_shape=width, attributes={"operation": "split", **counts})


def windows(
    name: str, source: str, *, tokens: int, features: int, window: int, shifted: bool, back: bool
) -> Layer:
    """Tokens in the order of their windows, or back; shifted ones are rolled by a copy of their own."""
    elements = tokens * features
    order = pointwise("order", elements, split=Split.SEQUENCE, fusion=LAYOUT, work=0)
    roll = pointwise("roll", elements, split=Split.SEQUENCE, work=0)
    operators = ((order, roll) if back else (roll, order)) if shifted else (order,)
    return Layer(
        name=name,
        kind="layout",
        inputs=(source,),
        output_shape=(tokens, features),
        forward=operators,
        input_gradient=operators[::-1],
        attributes={"operation": "unwindow" if back else "window", "window": window, "tokens": tokens},
    )


def _with_table(operator: Operator, table: int) -> Operator:
    if operator.name != "alibi":
        return operator
    return replace(operator, name="position bias", weights=table)
