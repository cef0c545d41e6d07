"""Rows of a trained table, found by an index, and their gradient, which is added into a cleared table."""

from workloads.operators import Operator, OperatorKind


def row_lookup(lookups: int, width: int) -> Operator:
    """Reads ``lookups`` rows of ``width`` elements and writes them one after the other."""
    elements = lookups * width
    return Operator(
        name="lookup", kind=OperatorKind.GATHER, flops=0, reads=elements, writes=elements, singles=lookups
    )


def row_gradient(lookups: int, width: int) -> Operator:
    """Adds ``lookups`` rows of ``width`` elements to those of a table's gradient."""
    elements = lookups * width
    return Operator(
        name="table gradient",
        kind=OperatorKind.GATHER,
        flops=elements,
        reads=2 * elements,
        writes=elements,
        singles=lookups,
    )
