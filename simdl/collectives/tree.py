"""Trees: binomial reduce and broadcast, and the pipelined double binary tree.

Binomial tree: 2 lg p (alpha + n beta) + lg p n gamma (Thakur et al. 2005, section 4; Ben-Nun and Hoefler
2019, section 6).

Double binary tree: each of two trees carries half the buffer, and a rank that is inner in one is a leaf in
the other, so the busiest rank sends 2n (n when there are only two); pipelining hides all but 2 lg p
latencies (Sanders, Speck and Traeff 2009). Inside a node NCCL joins the ranks to chains.
"""

from collections.abc import Sequence

from simdl.collectives.terms import Terms, log_steps, per_level


def estimate_all_reduce(p: int, *, n: float, alpha: float, beta: float, gamma: float) -> float:
    """Binomial reduce to one rank and broadcast from it [s]; rounds are ceil(lg p)."""
    rounds = log_steps(p)
    return 2 * rounds * (alpha + n * beta) + rounds * n * gamma


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of the binomial tree."""
    return per_level(
        members,
        lambda m: Terms(steps=2 * log_steps(m), sent=2 * log_steps(m), reduced=log_steps(m)),
        shrink=False,
    )


def double_tree_load(domains: int) -> int:
    """Buffers that the busiest domain sends when two complementary trees join the domains."""
    return min(2, domains - 1)


def double_all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of chains inside the innermost domain and double binary trees beyond."""
    m = members[0]
    found = [Terms(steps=2 * (m - 1), sent=2 * (m - 1) / m, reduced=(m - 1) / m)]
    below = m
    for domains in members[1:]:
        found.append(
            Terms(
                steps=2 * log_steps(domains),
                sent=double_tree_load(domains) / below,
                reduced=(domains - 1) / domains / below,
            )
        )
        below *= domains
    return tuple(found)
