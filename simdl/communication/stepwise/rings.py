"""Rings step by step: blocks travel from neighbour to neighbour.

Formulas stand in :mod:`simdl.communication.ring` and :mod:`simdl.communication.hierarchical`.
"""

from collections.abc import Iterable, Sequence
from math import prod

from simdl.communication.stepwise.schedule import Message, Round, Schedule, scheduled


def _passes(rings: Iterable[Sequence[int]], block: float, *, combine: bool) -> list[Round]:
    """All rings pass their blocks on once round, together."""
    rings = [ring for ring in rings if len(ring) > 1]
    steps = max((len(ring) for ring in rings), default=1) - 1
    combined = block if combine else 0.0
    return [
        [
            Message(one, other, block, combined)
            for ring in rings
            for one, other in zip(ring, (*ring[1:], ring[0]), strict=True)
        ]
        for _ in range(steps)
    ]


def reduce_scatter(p: int, n: float) -> Schedule:
    """Ring reduce-scatter of n input bytes."""
    return scheduled(p, _passes([range(p)], n / p, combine=True))


def all_gather(p: int, n: float) -> Schedule:
    """Ring all-gather to n bytes."""
    return scheduled(p, _passes([range(p)], n / p, combine=False))


def all_reduce(p: int, n: float) -> Schedule:
    """Ring reduce-scatter and all-gather."""
    ring = [range(p)]
    return scheduled(p, _passes(ring, n / p, combine=True), _passes(ring, n / p, combine=False))


def bidirectional_all_reduce(p: int, n: float) -> Schedule:
    """Two rings against each other, each with half of the buffer, on links of their own."""
    rings = [range(p), range(p - 1, -1, -1)]
    block = n / (2 * p)
    return scheduled(p, _passes(rings, block, combine=True), _passes(rings, block, combine=False))


def hierarchical_all_reduce(members: Sequence[int], n: float) -> Schedule:
    """Rings within rings: reduce-scatter outwards through the levels, all-gather back inwards.

    Args:
        members: ranks per level, innermost first, neighbours in rank next to each other.
        n: [bytes].
    """
    p, down, up, below, share = prod(members), [], [], 1, n
    for m in members:
        rings = [range(first, first + m * below, below) for first in range(p) if first // below % m == 0]
        share /= m
        down.append(_passes(rings, share, combine=True))
        up.append(_passes(rings, share, combine=False))
        below *= m
    return scheduled(p, *down, *reversed(up))


def two_dimensional_all_reduce(rows: int, columns: int, n: float) -> Schedule:
    """Rings along the rows of a grid, then along its columns, and back (Ying et al. 2018)."""
    return hierarchical_all_reduce((columns, rows), n)


def segmented_all_reduce(groups: int, size: int, n: float) -> Schedule:
    """Disjoint groups that each add up a segment of n bytes at the same time (Kahira et al. 2021, section 3).

    Rank r belongs to group ``r % groups``, as where layers are split over the ranks of a node.
    """
    rings = [range(group, groups * size, groups) for group in range(groups)]
    block = n / groups / size
    return scheduled(groups * size, _passes(rings, block, combine=True), _passes(rings, block, combine=False))
