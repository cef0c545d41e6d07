"""Servers, switches, pairwise and halo exchanges, sparse splitting, step by step."""

from collections.abc import Iterator, Sequence
from math import prod

from simdl.communication.sparse import SparseStream
from simdl.communication.stepwise.schedule import Message, Round, Schedule, scheduled
from simdl.errors import CollectiveError
from simdl.topology.patterns import doubling_distances


def parameter_server_all_reduce(p: int, n: float, *, dedicated: bool = False) -> Schedule:
    """Workers send their buffers to rank 0, one after another, and read the sum back.

    Args:
        p: workers; rank 0 is one of them, or where ``dedicated`` a server beside them.
        n: [bytes].
        dedicated: the server has no buffer of its own, so its traffic is 2 p n.
    """
    workers = range(1, p + dedicated)
    push = [[Message(worker, 0, n, n)] for worker in workers]
    pull = [[Message(0, worker, n)] for worker in workers]
    return scheduled(p + dedicated, push, pull)


def sharded_server_all_reduce(p: int, n: float) -> Schedule:
    """Every rank is the server of n/p bytes and takes one message at a time."""
    block = n / p
    push = [[Message(r, (r + d) % p, block, block) for r in range(p)] for d in range(1, p)]
    pull = [[Message(r, (r + d) % p, block) for r in range(p)] for d in range(1, p)]
    return scheduled(p, push, pull)


def in_switch_all_reduce(p: int, n: float, segments: int) -> Schedule:
    """The switch, rank ``p``, adds segments up and hands each rank its share, which then goes to all.

    While the ranks send a segment up, the sum of the last one is multicast.
    """
    part, rounds = n / segments, []
    for step in range(segments + 1):
        first, last = step == 0, step == segments
        up = (0.0 if last else part) + (0.0 if first else part / p)
        down = (0.0 if last else part / p) + (0.0 if first else part)
        rounds.append([m for rank in range(p) for m in (Message(rank, p, up), Message(p, rank, down))])
    return scheduled(p, rounds, lockstep=True)


def all_to_all(p: int, n: float) -> Schedule:
    """Pairwise exchange: every rank sends n/p to each of the others."""
    return scheduled(p, [[Message(r, (r + d) % p, n / p) for r in range(p)] for d in range(1, p)])


def halo_exchange(shape: Sequence[int], nbytes: float, *, together: bool = False) -> Schedule:
    """Every rank of a grid whose axes close to rings sends a halo to its neighbours along each axis.

    Args:
        shape: ranks along each axis.
        nbytes: [bytes] of one halo.
        together: all neighbours at once, over links of their own; else one after another.
    """
    rounds = list(_halos(shape, nbytes))
    if together:
        rounds = [[message for each in rounds for message in each]]
    return scheduled(prod(shape), rounds)


def _halos(shape: Sequence[int], nbytes: float) -> Iterator[Round]:
    for axis, side in enumerate(shape):
        stride = prod(shape[axis + 1 :])
        for way in (1, -1) if side > 2 else (1,) if side == 2 else ():
            yield [
                Message(rank, rank + ((place + way) % side - place) * stride, nbytes)
                for rank in range(prod(shape))
                for place in (rank // stride % side,)
            ]


def sparse_split_all_reduce(p: int, stream: SparseStream) -> Schedule:
    """Every rank gathers its part of all streams, adds it up, and the sums are gathered by doubling.

    Raises:
        CollectiveError: p is not a power of two.
    """
    if p & (p - 1):
        raise CollectiveError(f"sparse all-reduce among {p} ranks: expected a power of two")
    part, total = stream.part(p), stream.merged_part(p)
    split = [[Message(r, (r + d) % p, part, part) for r in range(p)] for d in range(1, p)]
    gather = [[Message(r, r ^ d, d * total) for r in range(p)] for d in doubling_distances(p)]
    return scheduled(p, split, gather)
