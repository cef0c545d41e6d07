"""Cycles: rings over the links of a group that no two of them share.

A library joins a group in as many rings as its links allow, so that every ring has links of its own: on the
hybrid cube mesh of a DGX-1, three over all eight devices (NVIDIA, "NCCL 2.0", GTC 2017, session S7155). The
largest number of edge-disjoint Hamiltonian cycles is found by trying, in a fixed order and within a number of
tries, because groups have few members; a number of tries that runs out leaves fewer rings, never more.
"""

from collections.abc import Iterator, Mapping, Sequence

Links = Mapping[tuple[int, int], int]
TRIES = 20_000


def disjoint_cycles(members: Sequence[int], links: Links) -> list[tuple[int, ...]]:
    """As many cycles over all members as there are with links of their own.

    Args:
        members: at least two.
        links: whole links by pair, the lower member first. Two members form one cycle per link.
    """
    if len(members) == 2:
        low, high = sorted(members)
        return [(low, high)] * links.get((low, high), 0)
    degrees = [sum(count for pair, count in links.items() if member in pair) for member in members]
    search = _Search(sorted(members), {pair: count for pair, count in links.items() if count})
    return search.most(min(degrees) // 2)


class _Search:
    """Cycles one after another, with a step back where no further one is left."""

    def __init__(self, members: Sequence[int], links: dict[tuple[int, int], int]) -> None:
        self._members = members
        self._links = links
        self._tries = TRIES
        self._best: list[tuple[int, ...]] = []

    def most(self, limit: int) -> list[tuple[int, ...]]:
        self._extend([], limit)
        return self._best

    def _extend(self, found: list[tuple[int, ...]], limit: int) -> bool:
        if len(found) > len(self._best):
            self._best = [*found]
        if len(found) == limit:
            return True
        for cycle in self._cycles([self._members[0]]):
            self._take(cycle, -1)
            done = self._extend([*found, cycle], limit)
            self._take(cycle, 1)
            if done:
                return True
        return False

    def _cycles(self, path: list[int]) -> Iterator[tuple[int, ...]]:
        if self._tries <= 0:
            return
        self._tries -= 1
        if len(path) == len(self._members):
            if path[1] < path[-1] and self._links.get(_pair(path[-1], path[0]), 0):
                yield tuple(path)
            return
        for member in self._members:
            if member not in path and self._links.get(_pair(path[-1], member), 0):
                yield from self._cycles([*path, member])

    def _take(self, cycle: tuple[int, ...], change: int) -> None:
        for one, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            self._links[_pair(one, other)] += change


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
