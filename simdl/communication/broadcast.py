"""Broadcast: binomial tree, scatter and all-gather, or a pipelined chain.

binomial tree           lg p (alpha + n beta)
scatter and all-gather  (lg p + p - 1) alpha + 2 (p-1)/p n beta   (van de Geijn; Thakur et al. 2005, sec. 4.3)
pipelined chain         (p-1) alpha + n beta                      in the limit of many pieces

An all-reduce may be a sum at one rank that is then broadcast, each along a chain:
2 (p-1) alpha + 2 n beta + n gamma.
"""

from collections.abc import Sequence
from math import prod

from simdl.communication.terms import Terms, log_steps, per_level


def estimate_tree(p: int, *, n: float, alpha: float, beta: float) -> float:
    """Binomial-tree broadcast of n bytes [s]; rounds are ceil(lg p)."""
    return log_steps(p) * (alpha + n * beta)


def estimate_scatter_all_gather(p: int, *, n: float, alpha: float, beta: float) -> float:
    """Binomial scatter, then ring all-gather [s]."""
    return (log_steps(p) + p - 1) * alpha + 2 * (p - 1) / p * n * beta


def estimate_chain(p: int, *, n: float, alpha: float, beta: float, segments: int) -> float:
    """Chain that passes segments on as they come [s]: (p - 2 + segments)(alpha + n / segments beta)."""
    return (p - 2 + segments) * (alpha + n / segments * beta)


def tree(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the binomial tree."""
    return per_level(members, lambda m: Terms(steps=log_steps(m), sent=log_steps(m)), shrink=False)


def scatter_all_gather(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of scatter and ring all-gather."""
    return per_level(members, lambda m: Terms(steps=log_steps(m) + m - 1, sent=2 * (m - 1) / m))


def estimate_reduce_broadcast(
    p: int, *, n: float, alpha: float, beta: float, gamma: float, segments: int
) -> float:
    """Sum of n bytes along a chain to one rank, then along it to all [s], segments going on as they come.

    (p - 2 + segments)(2 alpha + n / segments (2 beta + gamma)).
    """
    return (p - 2 + segments) * (2 * alpha + n / segments * (2 * beta + gamma))


def reduce_broadcast(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of a chain that adds up to its end, and of one that passes the sum on."""
    inner = next((place for place, m in enumerate(members) if m > 1), 0)
    return tuple(
        Terms(steps=2 * term.steps, sent=2 * term.sent, reduced=term.sent if place == inner else 0.0)
        for place, term in enumerate(chain(members))
    )


def chain(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the pipelined chain, with parallel chains through different ports."""
    p = prod(members)
    found, below = [], 1
    for m in members:
        domains = p // below
        found.append(Terms(steps=domains - domains // m, sent=1 / below if m > 1 else 0.0))
        below *= m
    return tuple(found)
