"""Where algorithms overtake each other, what a library takes by size, and the least that bandwidth allows.

Lower bound: the ranks behind the ports of a level are one of q domains, and what must leave a domain does
so over its ports of that level and those outside it, whatever the algorithm: 2 (q-1)/q n for an all-reduce
without reduction in the network and n with it (Patarasuk and Yuan 2009, theorem 1; Klenk et al. 2020),
(q-1)/q n for an all-gather or a reduce-scatter, n for a broadcast, and for an all-to-all what the domain's
ranks send to others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from hardware.cluster import Cluster
from simdl.communication.cost import applicable_algorithms, collective_time, ways
from simdl.communication.group import Group, extents
from simdl.communication.library import load_library
from simdl.communication.network import channels
from simdl.communication.operation import Operation

HALVINGS = 40  # of an interval that holds a crossing


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From a size [bytes] on, an algorithm with a protocol."""

    size: float
    algorithm: str
    protocol: str


def library_steps(operation: Operation, group: Group, cluster: Cluster, library: str) -> tuple[Step, ...]:
    """What the library takes by size where it has a rule of its own; none where it takes the fastest.

    Raises:
        CollectiveError: unknown library, or the group does not fit.
    """
    if group.size == 1:
        return ()
    found = ways(operation, group, cluster, library, "auto")
    if found.ends is None:
        return ()
    starts = (0.0, *found.ends)
    return tuple(
        Step(size=size, algorithm=curve.algorithm, protocol=curve.protocol)
        for size, curve in zip(starts, found.curves, strict=True)
    )


def crossovers(
    operation: Operation, sizes: Sequence[int], group: Group, cluster: Cluster, library: str
) -> tuple[Step, ...]:
    """Sizes from which another algorithm is the fastest, between the smallest and the largest of some sizes.

    Raises:
        CollectiveError: unknown library, or the group does not fit.
    """
    if group.size == 1:
        return ()
    names = applicable_algorithms(operation, group, cluster, library)

    def fastest(size: float) -> Step:
        costs = ((name, collective_time(operation, size, group, cluster, library, name)) for name in names)
        name, cost = min(costs, key=lambda pair: pair[1].time)
        return Step(size=size, algorithm=name, protocol=cost.protocol)

    found = [fastest(sizes[0])]
    for low, high in pairwise(sizes):
        last = fastest(high)
        while found[-1].algorithm != last.algorithm:
            left, right = max(float(low), found[-1].size), float(high)
            step = last
            for _ in range(HALVINGS):
                middle = fastest((left + right) / 2)
                if middle.algorithm == found[-1].algorithm:
                    left = middle.size
                else:
                    right, step = middle.size, middle
            found.append(step)
    return tuple(found)


def lower_bound(operation: Operation, nbytes: float, group: Group, cluster: Cluster, library: str) -> float:
    """[s] that the busiest ports need at their peak, whatever the algorithm.

    Raises:
        CollectiveError: unknown library, or the group does not fit.
    """
    members = extents(group, cluster)
    reducing = load_library(library).in_switch
    found, below, total = 0.0, 1, prod(members)
    levels = channels(members, cluster, stride=group.stride)
    for place, (m, channel) in enumerate(zip(members, levels, strict=True)):
        if m > 1:
            outward = zip(members[place:], levels[place:], strict=True)
            peak = sum(outer.peak for inner, outer in outward if inner > 1)
            reduces = channel.switched and channel.link in reducing
            share = _share(operation, total // below, below, total, reduces=reduces)
            found = max(found, share / below * nbytes / peak)
        below *= m
    return found


def _share(operation: Operation, domains: int, below: int, total: int, *, reduces: bool) -> float:
    """Of the buffer, what one of some domains of ``below`` ranks must send or receive."""
    moved = (domains - 1) / domains
    if operation is Operation.ALL_REDUCE:
        return min(1.0, 2 * moved) if reduces else 2 * moved
    if operation is Operation.BROADCAST:
        return 1.0
    return below * (total - below) / total if operation is Operation.ALL_TO_ALL else moved
