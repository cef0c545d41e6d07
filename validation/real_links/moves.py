"""What the ranks are asked to do, with the values they start from and those they must end with.

Values are small whole numbers in float32, so that a sum is exact whatever its order and results can be
compared bit for bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from validation.real_links.algorithms import ALL_REDUCE
from validation.real_links.algorithms.values import Values, bytes_of
from validation.real_links.transport import Peers, receive, send

GLOO = "gloo"
POINT_TO_POINT = "point_to_point"
LARGEST_VALUE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One collective or transfer to be timed.

    Attributes:
        name: of an algorithm of ``ALL_REDUCE``, ``point_to_point`` (rank 0 to rank 1) or ``gloo``.
        elements: float32 values in the buffer.
        seed: of the values.
    """

    name: str
    elements: int
    seed: int


def point_to_point(values: Values, peers: Peers) -> None:
    """Give rank 1 the values of rank 0; all others look on."""
    if peers.rank == 0:
        send(peers, 1, bytes_of(values))
    elif peers.rank == 1:
        receive(peers, 0, bytes_of(values))


OVER_SOCKETS: Mapping[str, Callable[[Values, Peers], None]] = {
    **ALL_REDUCE,
    POINT_TO_POINT: point_to_point,
}


def initial_values(move: Move, rank: int) -> Values:
    """What a rank holds before the move."""
    generator = np.random.default_rng((move.seed, rank))
    return generator.integers(-LARGEST_VALUE, LARGEST_VALUE, move.elements).astype(np.float32)


def expected_values(move: Move, rank: int, ranks: int) -> Values:
    """What a rank must hold after the move."""
    if move.name == POINT_TO_POINT:
        return initial_values(move, 0 if rank == 1 else rank)
    total = initial_values(move, 0)
    for other in range(1, ranks):
        total += initial_values(move, other)
    return total
