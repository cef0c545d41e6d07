"""Patterns: who sends to whom while an algorithm runs, as rounds of messages that are under way together.

A round has the share of what a member sends in all that it sends in this round. Partners are numbered within
the group; a pattern says nothing about links.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Pattern(StrEnum):
    """The messages of a family of algorithms."""

    RING = "ring"  # to the next member: rings, chains, double trees over neighbours
    PAIRS = "pairs"  # to every other member
    DOUBLING = "doubling"  # to the member at distance 1, 2, 4, ..., as much each time
    HALVING = "halving"  # the same, half as much each time
    SERVER = "server"  # one member after another to the first


@dataclass(frozen=True, slots=True)
class Round:
    """Messages under way together.

    Attributes:
        share: of what a member sends that it sends in this round.
        messages: source, target and the part of the share that goes this way.
    """

    share: float
    messages: tuple[tuple[int, int, float], ...]


@lru_cache(maxsize=1024)
def pattern_rounds(pattern: Pattern, members: int) -> tuple[Round, ...]:
    """The rounds of a pattern among so many members, at least two."""
    if pattern is Pattern.RING:
        return (Round(1.0, tuple((i, (i + 1) % members, 1.0) for i in range(members))),)
    if pattern is Pattern.PAIRS:
        part = 1 / (members - 1)
        every = ((i, j, part) for i in range(members) for j in range(members) if i != j)
        return (Round(1.0, tuple(every)),)
    if pattern is Pattern.SERVER:
        share = 1 / (members - 1)
        return tuple(Round(share, ((i, 0, 1.0), (0, i, 1.0))) for i in range(1, members))
    distances = tuple(doubling_distances(members))
    weights = [1.0 if pattern is Pattern.DOUBLING else 1 / distance for distance in distances]
    return tuple(
        Round(
            weight / sum(weights),
            tuple((i, i ^ distance, 1.0) for i in range(members) if i ^ distance < members),
        )
        for distance, weight in zip(distances, weights, strict=True)
    )


def doubling_distances(members: int) -> list[int]:
    """1, 2, 4, ... below the number of members."""
    return [1 << power for power in range((members - 1).bit_length())]
