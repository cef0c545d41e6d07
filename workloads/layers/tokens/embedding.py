"""Embedding tables, their sum, and the dropout that follows.

The token table is divided over tensor-parallel ranks by vocabulary: each rank looks up all tokens, leaves
zeros for foreign ones, and the ranks sum (Shoeybi et al. 2019, arXiv:1909.08053, section 3). The gradient
is a dense table, cleared and then scattered into.
"""

from workloads.layer import Layer
from workloads.layers.pointwise import DROPOUT_RATE, dropout, dropout_gradient, pointwise
from workloads.layers.residual import dropout_mask
from workloads.layers.rows import row_gradient, row_lookup
from workloads.operators import Operator, OperatorKind, Split


def token_embedding(name: str, *, tokens: int, hidden: int, vocab: int) -> Layer:
    """Looks up ``tokens`` rows of a ``vocab`` x ``hidden`` table."""
    elements, table = tokens * hidden, vocab * hidden
    clear = Operator(name="clear", kind=OperatorKind.ELEMENTWISE, flops=0, weights=table, split=Split.COLUMN)
    return Layer(
        name=name,
        kind="embedding",
        inputs=("input",),
        output_shape=(tokens, hidden),
        parameters=table,
        parameter_split=Split.COLUMN,
        forward=(row_lookup(tokens, hidden),),
        weight_gradient=(clear, row_gradient(tokens, hidden)),
        tensor_exit=elements,
        attributes={"index": "token"},
    )


def position_embedding(
    name: str, source: str, *, tokens: int, hidden: int, rows: int, index: str = "position"
) -> Layer:
    """Adds one of ``rows`` trained vectors to each token, by its ``index``: ``position`` or ``segment``."""
    elements = tokens * hidden
    scatter = Operator(
        name="table gradient",
        kind=OperatorKind.GATHER,
        flops=elements,
        reads=elements,
        weights=rows * hidden,
        singles=tokens,
        split=Split.SEQUENCE,
    )
    return Layer(
        name=name,
        kind="embedding",
        inputs=(source,),
        output_shape=(tokens, hidden),
        parameters=rows * hidden,
        forward=(pointwise("add", elements, split=Split.SEQUENCE, inputs=2),),
        weight_gradient=(scatter,),
        attributes={"index": index},
    )


def embedding_dropout(name: str, source: str, *, tokens: int, hidden: int) -> Layer:
    """Dropout on the embedded sequence."""
    elements = tokens * hidden
    return Layer(
        name=name,
        kind="dropout",
        inputs=(source,),
        output_shape=(tokens, hidden),
        forward=(dropout(elements, split=Split.SEQUENCE),),
        input_gradient=(dropout_gradient(elements, split=Split.SEQUENCE),),
        saved=dropout_mask(elements),
        attributes={"rate": DROPOUT_RATE},
    )
