"""Rings within rings: reduce-scatter inside a domain, all-reduce of the shares outside it, all-gather inside.

On levels of m_1, m_2, ... ranks, level l works on n_l = n / (m_1 ... m_(l-1)):
sum over l of 2 (m_l - 1) alpha_l + 2 (m_l - 1)/m_l n_l beta_l + (m_l - 1)/m_l n_l gamma
(Cho et al. 2019, BlueConnect, section 3; the same rings per axis serve tori, Ying et al. 2018).
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms, per_level


def estimate_all_reduce(
    members: Sequence[int], *, n: float, alpha: Sequence[float], beta: Sequence[float], gamma: float
) -> float:
    """Hierarchical all-reduce of n bytes [s]; one alpha and beta per level, innermost first."""
    time, share = 0.0, n
    for m, a, b in zip(members, alpha, beta, strict=True):
        time += 2 * (m - 1) * a + 2 * (m - 1) / m * share * b + (m - 1) / m * share * gamma
        share /= m
    return time


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the hierarchical all-reduce."""
    return per_level(members, lambda m: Terms(steps=2 * (m - 1), sent=2 * (m - 1) / m, reduced=(m - 1) / m))


def reduce_scatter(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the reduce-scatter, innermost level first."""
    return per_level(members, lambda m: Terms(steps=m - 1, sent=(m - 1) / m, reduced=(m - 1) / m))


def all_gather(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the all-gather, outermost level first."""
    return per_level(members, lambda m: Terms(steps=m - 1, sent=(m - 1) / m))
