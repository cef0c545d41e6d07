"""Reduce-scatter by recursive halving and all-gather by recursive doubling.

reduce-scatter   lg p alpha + (p-1)/p n beta + (p-1)/p n gamma
all-gather       lg p alpha + (p-1)/p n beta               (Thakur et al. 2005, sections 4.1 and 4.2)

Only powers of two: blocks would have to be split unevenly otherwise, and libraries switch to rings.
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms, per_level
from simdl.errors import CollectiveError


def _rounds(p: int) -> int:
    if p & (p - 1):
        raise CollectiveError(
            f"recursive halving or doubling among {p} ranks: expected a power of two on each level; use ring"
        )
    return p.bit_length() - 1


def estimate_reduce_scatter(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Recursive-halving reduce-scatter of n input bytes per rank [s].

    Raises:
        CollectiveError: p is not a power of two.
    """
    return _rounds(p) * alpha + (p - 1) / p * n * beta + (p - 1) / p * n * gamma


def estimate_all_gather(p: int, *, n: float, alpha: float, beta: float) -> float:
    """Recursive-doubling all-gather to n output bytes per rank [s].

    Raises:
        CollectiveError: p is not a power of two.
    """
    return _rounds(p) * alpha + (p - 1) / p * n * beta


def reduce_scatter(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of recursive halving, nearest partners first."""
    return per_level(members, lambda m: Terms(steps=_rounds(m), sent=(m - 1) / m, reduced=(m - 1) / m))


def all_gather(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of recursive doubling, farthest partners first."""
    return per_level(members, lambda m: Terms(steps=_rounds(m), sent=(m - 1) / m))
