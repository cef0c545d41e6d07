"""Butterfly, or recursive doubling: partners at distance 1, 2, 4, ... exchange the entire buffer.

lg p (alpha + n beta + n gamma)   (Thakur et al. 2005, section 4.5)

When p is not a power of two, the ranks past the largest one, 2^k, first hand their buffer to a partner and
receive the result last: 2 alpha + 2 n beta + n gamma more, with lg p rounded down.
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms, per_level


def _is_power_of_two(p: int) -> bool:
    return p & (p - 1) == 0


def estimate_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Recursive-doubling all-reduce of n bytes on p ranks [s]."""
    rounds = p.bit_length() - 1
    time = rounds * (alpha + n * beta + n * gamma)
    return time if _is_power_of_two(p) else time + 2 * alpha + 2 * n * beta + n * gamma


def _terms(p: int) -> Terms:
    rounds = p.bit_length() - 1
    extra = 0 if _is_power_of_two(p) else 1
    return Terms(steps=rounds + 2 * extra, sent=rounds + 2 * extra, reduced=rounds + extra)


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level; every rank exchanges the entire buffer at every distance."""
    return per_level(members, _terms, shrink=False)
