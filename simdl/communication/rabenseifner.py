"""Rabenseifner's all-reduce: reduce-scatter by recursive halving, all-gather by recursive doubling.

2 lg p alpha + 2 (p-1)/p n beta + (p-1)/p n gamma   (Rabenseifner 2004; Thakur et al. 2005, section 4.5)

When p is not a power of two, the ranks past the largest one, q = 2^k, and their partners first swap and
combine halves, then the partner collects the other half; the result returns at the end: 3 alpha + 2 n beta
+ n/2 gamma more on top of the formula with q for p.
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms, per_level


def estimate_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Rabenseifner all-reduce of n bytes on p ranks [s]."""
    q = 1 << (p.bit_length() - 1)
    lg = p.bit_length() - 1
    time = 2 * lg * alpha + 2 * (q - 1) / q * n * beta + (q - 1) / q * n * gamma
    return time if p == q else time + 3 * alpha + 2 * n * beta + n / 2 * gamma


def _terms(p: int) -> Terms:
    q = 1 << (p.bit_length() - 1)
    extra = 0 if p == q else 1
    moved = (q - 1) / q
    return Terms(
        steps=2 * (p.bit_length() - 1) + 3 * extra,
        sent=2 * moved + 2 * extra,
        reduced=moved + extra / 2,
    )


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level, nearest partners first, so that far ones exchange the smallest pieces."""
    return per_level(members, _terms)
