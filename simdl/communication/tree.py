"""Trees: binomial reduce and broadcast, and the pipelined double binary tree.

Binomial tree: 2 lg p (alpha + n beta) + lg p n gamma (Thakur et al. 2005, section 4; Ben-Nun and Hoefler
2019, section 6).

Double binary tree: each of two trees carries half the buffer, and a rank that is inner in one is a leaf in
the other, so the busiest rank sends 2n (n when there are only two); pipelining hides all but 2 lg p
latencies (Sanders, Speck and Traeff 2009). Inside a node NCCL joins the ranks to chains.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from simdl.communication.terms import Terms, log_steps, per_level


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


@dataclass(frozen=True, slots=True)
class Arrival:
    """Round in which the first segment reaches a rank of one of two trees.

    Attributes:
        parent, child: ranks.
        round: counted from 0.
    """

    parent: int
    child: int
    round: int


def _parents(p: int) -> dict[int, int]:
    """Parents of the ranks 1 to p in a binary tree in order: odd ranks are leaves."""
    found = {}
    for rank in range(1, p + 1):
        bit = rank & -rank
        above = (rank ^ bit) | (bit << 1)
        parent = above if above <= p else rank ^ bit
        if parent:
            found[rank] = parent
    return found


@lru_cache(maxsize=256)
def double_tree_arrivals(p: int) -> tuple[tuple[Arrival, ...], int]:
    """When the first segment arrives in each of two complementary trees, and rounds from segment to segment.

    The second tree is the first one mirrored (p even) or shifted by a rank (p odd), so that inner ranks are
    leaves. Edges take turns in two colours, such that in one round no rank sends twice or receives twice
    (Sanders, Speck and Traeff 2009, section 3).
    """
    first = _parents(p)
    other = {r: p + 1 - r if p % 2 == 0 else r % p + 1 for r in range(1, p + 1)}
    trees = (first, {other[child]: other[parent] for child, parent in first.items()})
    edges = [
        (number, parent - 1, child - 1) for number, tree in enumerate(trees) for child, parent in tree.items()
    ]
    colours = _colours(edges)
    found: dict[tuple[int, int], int] = {}
    parents = {(number, child): parent for number, parent, child in edges}

    def arrival(number: int, rank: int) -> int:
        """Round after which a rank holds the first segment; 0 at the root."""
        if (number, rank) not in parents:
            return 0
        if (number, rank) not in found:
            ready = arrival(number, parents[number, rank])
            found[number, rank] = ready + (colours[number, rank] - ready) % period + 1
        return found[number, rank]

    period = 1 + max(colours.values())
    arrivals = tuple(Arrival(parent, child, arrival(number, child) - 1) for number, parent, child in edges)
    return arrivals, period


def _colours(edges: list[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    """One of two colours per edge, named by tree and child, so that neither end has one twice as that end."""
    ends: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for number, parent, child in edges:
        ends.setdefault(("send", parent), []).append((number, child))
        ends.setdefault(("receive", child), []).append((number, child))
    of_edge: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for both in ends.values():
        for one, two in pairwise(both):
            of_edge.setdefault(one, []).append(two)
            of_edge.setdefault(two, []).append(one)
    colours: dict[tuple[int, int], int] = {}
    for number, _, child in edges:
        ahead = [((number, child), 0)]
        while ahead:
            edge, colour = ahead.pop()
            if edge not in colours:
                colours[edge] = colour
                ahead.extend((near, 1 - colour) for near in of_edge.get(edge, ()))
    return colours


def double_tree_rounds(p: int, segments: int) -> int:
    """Rounds in which two complementary trees broadcast, those without any message left out."""
    arrivals, period = double_tree_arrivals(p)
    rounds = 0
    for turn in range(period):
        starts = sorted({each.round for each in arrivals if each.round % period == turn})
        rounds += sum(min(segments, (b - a) // period) for a, b in pairwise(starts)) + (
            segments if starts else 0
        )
    return rounds


def estimate_double_tree_all_reduce(
    p: int, *, n: float, alpha: float, beta: float, gamma: float, segments: int
) -> float:
    """Reduce and broadcast in two trees, each with half of n bytes in segments, round by round [s]."""
    part = n / (2 * segments)
    return double_tree_rounds(p, segments) * (2 * alpha + part * (2 * beta + gamma))


def double_tree_load(domains: int) -> int:
    """Buffers that the busiest domain sends when two complementary trees join the domains."""
    return min(2, domains - 1)


def double_all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level of chains inside the innermost domain and double binary trees beyond."""
    m = members[0]
    inside = Terms(steps=2 * (m - 1), sent=2 * (m - 1) / m, reduced=(m - 1) / m)
    return (inside, *double_trees_beyond(members))


def double_trees_beyond(members: Sequence[int]) -> Iterator[Terms]:
    """Terms of the levels outside the innermost domain, whose share of the sum double binary trees add up."""
    below = members[0]
    for domains in members[1:]:
        yield Terms(
            steps=2 * log_steps(domains),
            sent=double_tree_load(domains) / below,
            reduced=(domains - 1) / domains / below,
        )
        below *= domains
