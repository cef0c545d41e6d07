"""Ring algorithms: every rank passes blocks of n/p to its neighbour (Thakur et al. 2005, sections 4.1, 4.4).

all-reduce      2(p-1) alpha + 2 (p-1)/p n beta + (p-1)/p n gamma
reduce-scatter   (p-1) alpha +   (p-1)/p n beta + (p-1)/p n gamma
all-gather       (p-1) alpha +   (p-1)/p n beta

On several levels the ring visits one domain after another, so a domain's boundary carries what one rank
sends; the members of the domain share it, because parallel rings leave through different ports (Patarasuk
and Yuan 2009). Of p - 1 hops, (domains - 1) are as slow as the outer level.
"""

from collections.abc import Sequence
from math import prod

from simdl.communication.terms import Terms


def estimate_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Ring all-reduce of n bytes on p ranks [s]."""
    return 2 * (p - 1) * alpha + 2 * (p - 1) / p * n * beta + (p - 1) / p * n * gamma


def estimate_reduce_scatter(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Ring reduce-scatter of n input bytes per rank [s]."""
    return (p - 1) * alpha + (p - 1) / p * n * beta + (p - 1) / p * n * gamma


def estimate_all_gather(p: int, *, n: float, alpha: float, beta: float) -> float:
    """Ring all-gather to n output bytes per rank [s]."""
    return (p - 1) * alpha + (p - 1) / p * n * beta


def estimate_bidirectional_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Two rings against each other, each with half of n bytes on links of its own [s]."""
    return estimate_all_reduce(p, n=n / 2, alpha=alpha, beta=beta, gamma=gamma)


def estimate_segmented_all_reduce(
    groups: int, size: int, *, n: float, alpha: float, beta: float, gamma: float
) -> float:
    """Groups that each add up n / groups bytes at the same time [s] (Kahira et al. 2021, section 3)."""
    return estimate_all_reduce(size, n=n / groups, alpha=alpha, beta=beta, gamma=gamma)


def _rounds(members: Sequence[int], *, rounds: int, reduces: bool) -> tuple[Terms, ...]:
    p = prod(members)
    moved = (p - 1) / p
    found, below = [], 1
    for m in members:
        domains = p // below
        hops = domains - domains // m
        found.append(
            Terms(
                steps=rounds * hops,
                sent=rounds * moved / below if m > 1 else 0.0,
                reduced=moved if reduces and below == 1 and m > 1 else 0.0,
            )
        )
        below *= m
    return tuple(found)


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the ring all-reduce."""
    return _rounds(members, rounds=2, reduces=True)


def reduce_scatter(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the ring reduce-scatter."""
    return _rounds(members, rounds=1, reduces=True)


def all_gather(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the ring all-gather."""
    return _rounds(members, rounds=1, reduces=False)
