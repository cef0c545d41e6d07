"""Embedding tables of recommendation: pooled lookups, and what combines the features that they give.

Tables are updated where they are read (Naumov et al. 2019, arXiv:1906.00091; FBGEMM's fused optimizer): the
backward pass reads the rows that were looked up, adds their gradient and writes them back, so there is no
gradient to keep or to reduce. Combining: dot products of all pairs of features (DLRM, section 2.1.3) or cross
layers x0 * (W V x + b) + x of low rank (Wang et al. 2020, DCN V2, arXiv:2008.13535, equation 2).
"""

from workloads.exchange import Tables
from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.rows import row_gradient, row_lookup
from workloads.operators import MatmulShape, Operator, OperatorKind, Split

WHOLE = Split.REPLICATED
INDEX = 2  # elements of FP32 that one 8-byte index is


def table_lookups(name: str, source: str, tables: Tables) -> Layer:
    """One pooled row per table for every sample."""
    read = sum(tables.lookups) * tables.width
    lookup = Operator(
        name="lookup",
        kind=OperatorKind.GATHER,
        flops=read,
        reads=read + INDEX * sum(tables.lookups),
        writes=tables.outputs,
    )
    update = Operator(
        name="update",
        kind=OperatorKind.GATHER,
        flops=4 * read,
        reads=tables.outputs + read + INDEX * sum(tables.lookups),
        writes=read,
    )
    return Layer(
        name=name,
        kind="tables",
        inputs=(source,),
        output_shape=(len(tables.rows), tables.width),
        parameters=tables.parameters,
        forward=(lookup,),
        weight_gradient=(update,),
        exchange=tables,
    )


def pair_products(name: str, source: str, *, vectors: int, width: int, kept: int) -> Layer:
    """Dot products of all pairs of ``vectors``, with the first vector behind them; ``kept`` outputs."""
    elements = vectors * width

    def product(label: str, rows: int, columns: int, depth: int) -> Operator:
        return Operator(
            name=label,
            kind=OperatorKind.MATMUL,
            flops=2 * rows * columns * depth,
            reads=depth * (rows + columns),
            writes=rows * columns,
            shape=MatmulShape(rows=rows, columns=columns, depth=depth, batch_axis="products"),
        )

    return Layer(
        name=name,
        kind="interaction",
        inputs=(source,),
        output_shape=(kept,),
        forward=(product("pairs", vectors, vectors, width), pointwise("select", kept, split=WHOLE)),
        input_gradient=(
            pointwise("spread", vectors * vectors, split=WHOLE),
            product("pairs gradient", vectors, width, vectors),
            product("pairs gradient of the other", vectors, width, vectors),
            pointwise("gradient sum", elements, split=WHOLE, inputs=2),
        ),
        saved=(SavedActivation(name="input", elements=elements),),
    )


def cross_layer(name: str, source: str, *, features: int, rank: int) -> tuple[Layer, ...]:
    """One cross layer of low rank on what ``source`` gives."""
    down = replicated_projection(f"{name}_down", source, Projection(tokens=1, inputs=features, outputs=rank))
    up = replicated_projection(
        f"{name}_up", f"{name}_down", Projection(tokens=1, inputs=rank, outputs=features), bias=True
    )
    cross = Layer(
        name=f"{name}_cross",
        kind="cross",
        inputs=(f"{name}_up", source),
        output_shape=(features,),
        forward=(pointwise("multiply and add", features, split=WHOLE, inputs=3, work=2),),
        input_gradient=(pointwise("cross gradient", features, split=WHOLE, inputs=4, work=4),),
        saved=(SavedActivation(name="products", elements=features),),
    )
    return down, up, cross


def rectified_linear(name: str, source: str, *, inputs: int, outputs: int, last: bool = False) -> list[Layer]:
    """A linear layer of one vector per sample, and a ReLU unless it is the last."""
    linear = replicated_projection(
        name, source, Projection(tokens=1, inputs=inputs, outputs=outputs), bias=True
    )
    if last:
        return [linear]
    relu = Layer(
        name=f"{name}_relu",
        kind="activation",
        inputs=(name,),
        output_shape=(outputs,),
        forward=(pointwise("relu", outputs, split=WHOLE),),
        input_gradient=(pointwise("relu gradient", outputs, split=WHOLE, inputs=2),),
        attributes={"function": "relu"},
    )
    return [linear, relu]


def joined_features(name: str, sources: tuple[str, ...], *, elements: int) -> Layer:
    """Features of several layers side by side, copied."""
    copies = [
        Operator(name=what, kind=OperatorKind.ELEMENTWISE, flops=0, reads=elements, writes=elements)
        for what in ("concatenate", "separate")
    ]
    return Layer(
        name=name,
        kind="join",
        inputs=sources,
        output_shape=(elements,),
        forward=(copies[0],),
        input_gradient=(copies[1],),
    )


def click_loss(name: str, source: str) -> Layer:
    """Binary cross-entropy of one logit."""
    return Layer(
        name=name,
        kind="loss",
        inputs=(source,),
        output_shape=(1,),
        forward=(pointwise("cross entropy", 1, split=WHOLE, work=8),),
        input_gradient=(pointwise("cross entropy gradient", 1, split=WHOLE, work=3),),
        saved=(SavedActivation(name="probability", elements=1),),
    )


def dense_table(name: str, source: str, *, rows: int, width: int) -> Layer:
    """A table that every replica holds whole, with a dense gradient (NCF)."""
    table = rows * width
    return Layer(
        name=name,
        kind="embedding",
        inputs=(source,),
        output_shape=(1, width),
        parameters=table,
        forward=(row_lookup(1, width),),
        weight_gradient=(
            Operator(name="clear", kind=OperatorKind.ELEMENTWISE, flops=0, weights=table),
            row_gradient(1, width),
        ),
        attributes={"index": "token"},
    )
