"""Trees step by step: binomial trees, a pipelined chain, and the pipelined double binary tree."""

from simdl.communication.stepwise.schedule import Message, Round, Schedule, scheduled
from simdl.communication.tree import double_tree_arrivals
from simdl.topology.patterns import doubling_distances


def _binomial(p: int, n: float, *, up: bool) -> list[Round]:
    """Rounds towards rank 0, farthest partners last; or away from it, farthest first."""
    found: list[Round] = []
    for distance in doubling_distances(p):
        pairs = [(rank + distance, rank) for rank in range(0, p, 2 * distance) if rank + distance < p]
        found.append([Message(a, b, n, n) if up else Message(b, a, n) for a, b in pairs])
    return found if up else found[::-1]


def all_reduce(p: int, n: float) -> Schedule:
    """Binomial reduce to rank 0 and broadcast from it."""
    return scheduled(p, _binomial(p, n, up=True), _binomial(p, n, up=False))


def broadcast(p: int, n: float) -> Schedule:
    """Binomial broadcast from rank 0."""
    return scheduled(p, _binomial(p, n, up=False))


def chain_broadcast(p: int, n: float, segments: int) -> Schedule:
    """A chain from rank 0 that passes segments on as they come."""
    part = n / segments
    rounds = [
        [Message(rank, rank + 1, part) for rank in range(p - 1) if 0 <= step - rank < segments]
        for step in range(p - 2 + segments)
    ]
    return scheduled(p, rounds)


def reduce_broadcast_all_reduce(p: int, n: float, segments: int) -> Schedule:
    """A chain that adds up to rank 0, segments going on as they come, then one from it with the sum."""
    part = n / segments
    up = [
        [
            Message(p - 1 - place, p - 2 - place, part, part)
            for place in range(p - 1)
            if 0 <= step - place < segments
        ]
        for step in range(p - 2 + segments)
    ]
    return scheduled(p, up, chain_broadcast(p, n, segments).rounds)


def scatter_all_gather_broadcast(p: int, n: float) -> Schedule:
    """Binomial scatter of p blocks, then ring all-gather (van de Geijn)."""
    block = n / p
    scatter = [
        [
            Message(rank, rank + distance, block * min(distance, p - rank - distance))
            for rank in range(0, p, 2 * distance)
            if rank + distance < p
        ]
        for distance in reversed(doubling_distances(p))
    ]
    gather = [[Message(rank, (rank + 1) % p, block) for rank in range(p)] for _ in range(p - 1)]
    return scheduled(p, scatter, gather)


def double_tree_all_reduce(p: int, n: float, segments: int) -> Schedule:
    """Reduce and broadcast in two complementary trees, each with half of the buffer, in lockstep."""
    arrivals, period = double_tree_arrivals(p)
    part = n / (2 * segments)
    last = max(each.round for each in arrivals) + period * (segments - 1)
    down: list[list[Message]] = [[] for _ in range(last + 1)]
    up: list[list[Message]] = [[] for _ in range(last + 1)]
    for each in arrivals:
        for segment in range(segments):
            place = each.round + period * segment
            down[place].append(Message(each.parent, each.child, part))
            up[last - place].append(Message(each.child, each.parent, part, part))
    return scheduled(p, up, down, lockstep=True)
