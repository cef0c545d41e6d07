"""What a group communicates, and the factor that makes rates of different operations comparable.

Bus bandwidth as nccl-tests defines it: algorithm bandwidth (buffer bytes / time) times the share of the
buffer that every rank must move whatever the algorithm (nccl-tests, doc/PERFORMANCE.md).
"""

from enum import StrEnum


class Operation(StrEnum):
    """A communication over a group of ranks."""

    ALL_REDUCE = "all_reduce"
    ALL_GATHER = "all_gather"
    REDUCE_SCATTER = "reduce_scatter"
    BROADCAST = "broadcast"
    ALL_TO_ALL = "all_to_all"


def bus_factor(operation: Operation, p: int) -> float:
    """Bus bandwidth over algorithm bandwidth for ``p`` ranks."""
    if operation is Operation.BROADCAST:
        return 1.0
    moved = (p - 1) / p
    return 2 * moved if operation is Operation.ALL_REDUCE else moved
