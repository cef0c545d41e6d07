"""Which algorithms have messages of their own, and the closed form that each equals on a uniform network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from simdl.communication import (
    all_to_all,
    broadcast,
    butterfly,
    hierarchical,
    parameter_server,
    rabenseifner,
    recursive,
    ring,
    tree,
)
from simdl.communication.operation import Operation
from simdl.communication.stepwise import butterflies, exchanges, rings, trees
from simdl.communication.stepwise.schedule import Message, Schedule

SEGMENT = 2**19
"""[bytes] of a segment of pipelined algorithms: a chunk of NCCL's simple protocol."""
MOST_SEGMENTS = 32
Build = Callable[[Sequence[int], float, int], Schedule]
Closed = Callable[..., float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An algorithm as messages.

    Attributes:
        build: its schedule for the ranks per level, a number of bytes, and a number of segments.
        closed: its closed form: ranks per level, bytes, segments; then ``alpha`` [s], ``beta`` and ``gamma``
            [s/byte].
        segmented: bytes stream through it in segments.
        powers: a power of two of ranks alone.
        levels: it works level by level, and each level has an alpha and a beta.
        apart: its closed form takes for granted that what a rank sends at once goes over links of its own.
    """

    build: Build
    closed: Closed
    segmented: bool = False
    powers: bool = False
    levels: bool = False
    apart: bool = False


def _plain(schedule: Callable[[int, float], Schedule], closed: Closed, *, powers: bool = False) -> Form:
    """Of an algorithm that knows no levels and no segments."""
    adds = "gamma" in closed.__annotations__

    def estimate(
        members: Sequence[int], n: float, _segments: int, *, alpha: float, beta: float, gamma: float
    ) -> float:
        more = {"gamma": gamma} if adds else {}
        return closed(prod(members), n=n, alpha=alpha, beta=beta, **more)

    return Form(build=lambda m, n, _segments: schedule(prod(m), n), closed=estimate, powers=powers)


def _segmented(schedule: Callable[[int, float, int], Schedule], closed: Closed) -> Form:
    adds = "gamma" in closed.__annotations__

    def estimate(
        members: Sequence[int], n: float, segments: int, *, alpha: float, beta: float, gamma: float
    ) -> float:
        more = {"gamma": gamma} if adds else {}
        return closed(prod(members), n=n, alpha=alpha, beta=beta, segments=segments, **more)

    return Form(build=lambda m, n, segments: schedule(prod(m), n, segments), closed=estimate, segmented=True)


def _by_level(
    members: Sequence[int],
    n: float,
    _segments: int,
    *,
    alpha: Sequence[float],
    beta: Sequence[float],
    gamma: float,
) -> float:
    return hierarchical.estimate_all_reduce(members, n=n, alpha=alpha, beta=beta, gamma=gamma)


FORMS: Mapping[Operation, Mapping[str, Form]] = {
    Operation.ALL_REDUCE: {
        "ring": _plain(rings.all_reduce, ring.estimate_all_reduce),
        "bidirectional_ring": replace(
            _plain(rings.bidirectional_all_reduce, ring.estimate_bidirectional_all_reduce), apart=True
        ),
        "double_tree": _segmented(trees.double_tree_all_reduce, tree.estimate_double_tree_all_reduce),
        "hierarchical": Form(
            build=lambda m, n, _segments: rings.hierarchical_all_reduce(m, n), closed=_by_level, levels=True
        ),
        "tree": _plain(trees.all_reduce, tree.estimate_all_reduce),
        "reduce_broadcast": _segmented(
            trees.reduce_broadcast_all_reduce, broadcast.estimate_reduce_broadcast
        ),
        "recursive_doubling": _plain(butterflies.butterfly_all_reduce, butterfly.estimate_all_reduce),
        "rabenseifner": _plain(butterflies.rabenseifner_all_reduce, rabenseifner.estimate_all_reduce),
        "parameter_server": _plain(
            exchanges.parameter_server_all_reduce, parameter_server.estimate_all_reduce
        ),
    },
    Operation.REDUCE_SCATTER: {
        "ring": _plain(rings.reduce_scatter, ring.estimate_reduce_scatter),
        "recursive": _plain(
            butterflies.recursive_reduce_scatter, recursive.estimate_reduce_scatter, powers=True
        ),
        "all_reduce": _plain(rings.all_reduce, ring.estimate_all_reduce),
    },
    Operation.ALL_GATHER: {
        "ring": _plain(rings.all_gather, ring.estimate_all_gather),
        "recursive": _plain(butterflies.recursive_all_gather, recursive.estimate_all_gather, powers=True),
    },
    Operation.BROADCAST: {
        "chain": _segmented(trees.chain_broadcast, broadcast.estimate_chain),
        "tree": _plain(trees.broadcast, broadcast.estimate_tree),
        "scatter_all_gather": _plain(
            trees.scatter_all_gather_broadcast, broadcast.estimate_scatter_all_gather
        ),
    },
    Operation.ALL_TO_ALL: {
        "pairwise": _plain(exchanges.all_to_all, all_to_all.estimate_all_to_all),
    },
}


def segments_of(form: Form, nbytes: float) -> int:
    """Segments of a buffer: 1 where the algorithm has none."""
    if not form.segmented:
        return 1
    return int(min(MOST_SEGMENTS, max(1, nbytes // SEGMENT)))


def placed(schedule: Schedule, stride: int) -> Schedule:
    """The schedule of ranks that stand ``stride`` apart, the first of them on rank 0."""
    if stride == 1:
        return schedule
    rounds = tuple(
        [Message(m.source * stride, m.target * stride, m.nbytes, m.combined) for m in each]
        for each in schedule.rounds
    )
    return replace(schedule, ranks=(schedule.ranks - 1) * stride + 1, rounds=rounds)
