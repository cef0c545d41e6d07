"""Rounds: what every rank of a long step repeats, over and over, between its warm-up and its drain.

The order of n + c microbatches is that of n with a round inserted: c more microbatches of everything. So a
step of many microbatches follows from one of few, if what is repeated also takes as long every time
(:mod:`simdl.step.lowering.folding`). Rounds are read off two short orders and then compared with the long
one, entry by entry; an order that repeats nothing, such as all forward passes before all backward passes,
has none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.parts import ends
from simdl.pipelines.passes import Order, passes_of
from simdl.pipelines.pipeline import Pipeline

Entries = NDArray[np.int64]
"""[entries x 2] number of what an entry does on which stages, and its microbatch."""
FILL, ROUNDS = 2, 6
"""Microbatches of the shortest order: so many for every rank, and so many rounds."""
SEEN = 4
"""The same, of rounds after which alone a step comes back to the same state."""
WORTH = 1.5
"""Times as many as in a short order that there must be in the long one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Where a rank's order is made of rounds.

    Attributes:
        first, stop: entries of the short order from which on and up to which they follow one another; a round
            may be inserted before any of these.
        length: entries of a round.
    """

    first: int
    stop: int
    length: int

    @property
    def rounds(self) -> int:
        """Whole rounds of the short order."""
        return (self.stop - self.first) // self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """A long order as a short one with rounds inserted.

    Attributes:
        microbatches: of the short order.
        of_round: microbatches of a round.
        inserted: rounds that the long order has more.
        zones: per rank.
    """

    microbatches: int
    of_round: int
    inserted: int
    zones: tuple[Zone, ...]


@lru_cache(maxsize=4096)
def rounds(  # noqa: PLR0917 - an order, and how much of it
    pipeline: Pipeline, ranks: int, microbatches: int, virtual: int, times: int = 1, together: int = 1
) -> Rounds | None:
    """The rounds of an order and a short order without most of them; None where that is not much shorter.

    Args:
        pipeline: whose order it is.
        ranks: of the pipeline.
        microbatches: of the long order.
        virtual: stages per rank.
        times: the short order is so many times as long as the shortest.
        together: microbatches after which a step comes back to the same state: so many, or so many groups of
            them, are a round.
    """
    few = ROUNDS if together == 1 else SEEN
    for of_round in dict.fromkeys((together, lcm(2, together), lcm(ranks, together))):
        least = times * (FILL * ranks + few * of_round)
        short = least + (microbatches - least) % of_round
        sizes = short, short + of_round, microbatches
        if microbatches < WORTH * short or any(any(pipeline.problems(ranks, n, virtual)) for n in sizes):
            continue
        orders = [pipeline.build(ranks, count, virtual) for count in sizes]
        zones = [_zone(*three, of_round=of_round) for three in zip(*orders, strict=True)]
        found = tuple(zone for zone in zones if zone is not None)
        if len(found) == ranks:
            inserted = (microbatches - short) // of_round
            return Rounds(microbatches=short, of_round=of_round, inserted=inserted, zones=found)
    return None


def _zone(short: Order, longer: Order, long: Order, *, of_round: int) -> Zone | None:
    """The rounds of one rank, or None if the three orders are not alike up to them."""
    names: dict[object, int] = {}
    a, b, whole = (_entries(order, names) for order in (short, longer, long))
    length = len(b) - len(a)
    shift = np.array([0, of_round])
    head = _alike(a, b)
    tail = _alike((a + shift)[::-1], b[::-1])
    if length <= 0 or head + tail < len(a) + length:
        return None
    begins, completes = ends(short)
    first, stop = max(len(a) - tail, max(begins) + 1), min(head, *completes)
    if stop - first < length:
        return None
    inserted, rest = divmod(len(whole) - len(a), length)
    every = np.arange(inserted)[:, None, None] * shift + a[first : first + length]
    expected = [a[:first], every.reshape(-1, 2), a[first:] + inserted * shift]
    if rest or not np.array_equal(np.concatenate(expected), whole):
        return None
    return Zone(first=first, stop=stop, length=length)


def _entries(order: Order, names: dict[object, int]) -> Entries:
    flat = np.fromiter(_numbers(order, names), dtype=np.int64, count=2 * len(order))
    return flat.reshape(-1, 2)


def _numbers(order: Order, names: dict[object, int]) -> Iterator[int]:
    for entry in order:
        passes = passes_of(entry)
        first = passes[0].microbatch
        what = tuple((each.kind, each.stage, each.microbatch - first) for each in passes)
        yield names.setdefault(what, len(names))
        yield first


def _alike(one: Entries, other: Entries) -> int:
    """Entries from the beginning up to which both are equal."""
    count = min(len(one), len(other))
    unlike = np.flatnonzero((one[:count] != other[:count]).any(axis=1))
    return int(unlike[0]) if len(unlike) else count
