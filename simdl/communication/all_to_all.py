"""All-to-all by pairwise exchange: every rank sends n/p to each of the others.

(p-1) alpha + (p-1)/p n beta   with n bytes sent by a rank (Thakur et al. 2005, section 3)

Of the p - 1 partners, a rank finds as many in its own domains as these hold; the rest of the buffer leaves
by its own share of the ports.
"""

from collections.abc import Sequence
from math import prod

from simdl.communication.terms import Terms


def estimate_all_to_all(p: int, *, n: float, alpha: float, beta: float) -> float:
    """Pairwise all-to-all, n bytes sent per rank [s]."""
    return (p - 1) * alpha + (p - 1) / p * n * beta


def all_to_all(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the pairwise exchange."""
    p = prod(members)
    found, below = [], 1
    for m in members:
        partners = (m - 1) * below
        found.append(Terms(steps=partners, sent=partners / p))
        below *= m
    return tuple(found)
