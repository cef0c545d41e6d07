"""Rounds: what every rank of a long step repeats, over and over, between its warm-up and its drain.

The order of n + c microbatches is that of n with a round inserted: c more microbatches of everything. So a
step of many microbatches follows from one of few, if what is repeated also takes as long every time
(:mod:`simdl.step.lowering.folding`). Rounds are read off two short orders and then compared with the long
one, entry by entry; an order that repeats nothing, such as all forward passes before all backward passes,
has none. Where a schedule holds stages several times, microbatches are counted within their copy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.parts import ends
from simdl.pipelines.passes import Order, PassKind, all_passes, passes_of
from simdl.pipelines.pipeline import Pipeline

KINDS = {kind: number for number, kind in enumerate(PassKind)}
Entries = NDArray[np.int64]
"""[entries x 3] number of what an entry does on which stages, its copy, and its microbatch within that."""
FILL, ROUNDS = 2, 6
"""Microbatches of the shortest order: so many for every rank, and so many rounds."""
SEEN = 4
"""The same, of rounds after which alone a step comes back to the same state."""
BRIEF = 4
"""Rounds of the briefest order, behind one microbatch for every rank."""
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


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the microbatches of every copy of the stages are numbered in an order.

    Attributes:
        chain: stages of a copy.
        first: number of the first microbatch, per copy.
        count: of microbatches, per copy.
    """

    chain: int
    first: tuple[int, ...]
    count: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What becomes of the numbers of one copy's microbatches when rounds are inserted.

    Attributes:
        first: the first of them in the short order; those of the next copy follow.
        moved: what all are larger by in the long order.
        of_round: what they grow by from one round to the next.
    """

    first: int
    moved: int
    of_round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """A long order as a short one with rounds inserted.

    Attributes:
        microbatches: of the short order.
        of_round: microbatches of a round.
        inserted: rounds that the long order has more.
        zones: per rank.
        labels: per copy of the stages, by rising numbers.
    """

    microbatches: int
    of_round: int
    inserted: int
    zones: tuple[Zone, ...]
    labels: tuple[Labels, ...]


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
        brief = brief_rounds(pipeline, ranks, microbatches, virtual)
        found = brief and _longer(brief, short, of_round, microbatches)
        found = found or _compared(pipeline, ranks, sizes, virtual)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def brief_rounds(pipeline: Pipeline, ranks: int, microbatches: int, virtual: int) -> Rounds | None:
    """The rounds of an order whose stages are held once, and the briefest order with some; None without."""
    for of_round in dict.fromkeys((1, 2, ranks)):
        least = ranks + BRIEF * of_round
        brief = least + (microbatches - least) % of_round
        sizes = brief, brief + of_round, brief + 3 * of_round
        if microbatches <= sizes[2] or any(any(pipeline.problems(ranks, n, virtual)) for n in sizes):
            continue
        if _compared(pipeline, ranks, sizes, virtual) is None:
            continue
        found = _compared(pipeline, ranks, (*sizes[:2], microbatches), virtual)
        if found is not None and all(each.moved == 0 for each in found.labels):
            return found
    return None


def _longer(brief: Rounds, short: int, of_round: int, microbatches: int) -> Rounds | None:
    """Rounds that are several of another order's, in a longer short order; None where these do not fit in."""
    inserted, rest = divmod(short - brief.microbatches, brief.of_round)
    together, odd = divmod(of_round, brief.of_round)
    if rest or odd or inserted < 0:
        return None
    return Rounds(
        microbatches=short,
        of_round=of_round,
        inserted=(microbatches - short) // of_round,
        zones=tuple(
            Zone(first=each.first, stop=each.stop + inserted * each.length, length=together * each.length)
            for each in brief.zones
        ),
        labels=tuple(replace(each, of_round=together * each.of_round) for each in brief.labels),
    )


@lru_cache(maxsize=4096)
def settled_rounds(
    pipeline: Pipeline, ranks: int, microbatches: int, virtual: int, more: int = 0
) -> Rounds | None:
    """The rounds of an order by the word of ``Pipeline.settled``; the long order itself is not built.

    Args:
        pipeline: whose order it is.
        ranks: of the pipeline.
        microbatches: of the long order.
        virtual: stages per rank.
        more: rounds of the short order beyond those that the shortest one has.
    """
    for of_round in dict.fromkeys((1, 2, ranks)):
        least = pipeline.settled(ranks, virtual) + more * of_round
        short = least + (microbatches - least) % of_round
        sizes = short, short + of_round, short + 3 * of_round
        if microbatches <= sizes[2] or any(any(pipeline.problems(ranks, n, virtual)) for n in sizes):
            continue
        found = _compared(pipeline, ranks, sizes, virtual)
        if found is not None:
            return replace(found, inserted=(microbatches - short) // of_round)
    return None


@lru_cache(maxsize=4096)
def _compared(pipeline: Pipeline, ranks: int, sizes: tuple[int, int, int], virtual: int) -> Rounds | None:
    """The rounds of the longest of three orders, of which the second has one more than the first."""
    orders = [[_Read(order) for order in pipeline.build(ranks, count, virtual)] for count in sizes]
    numbers = [each for each in (_numbering(one, ranks * virtual) for one in orders) if each]
    if len(numbers) < len(orders):
        return None
    growth = [b - a for a, b in zip(numbers[0].count, numbers[1].count, strict=True)]
    zones = [_zone(three, numbers, growth) for three in zip(*orders, strict=True)]
    found = tuple(zone for zone in zones if zone is not None)
    if len(found) < ranks:
        return None
    short, longer, long = sizes
    return Rounds(
        microbatches=short,
        of_round=longer - short,
        inserted=(long - short) // (longer - short),
        zones=found,
        labels=_labels(numbers[0], numbers[2], growth),
    )


class _Read:
    """An order, and its passes as arrays.

    Attributes:
        order: of a rank.
        kind, microbatch, stage: of every pass, by number; two of them are one entry where these overlap.
    """

    __slots__ = ("kind", "microbatch", "order", "stage")

    def __init__(self, order: Order) -> None:
        kinds, microbatches, stages = zip(*all_passes(order), strict=True)
        self.order = order
        self.kind = np.fromiter(map(KINDS.__getitem__, kinds), dtype=np.int64, count=len(kinds))
        self.microbatch, self.stage = np.array(microbatches), np.array(stages)


def _numbering(orders: Sequence[_Read], chain: int) -> Numbering | None:
    """How an order numbers microbatches; None where copies share some or leave some out."""
    copy = np.concatenate([each.stage for each in orders]) // chain
    microbatch = np.concatenate([each.microbatch for each in orders])
    copies = [np.unique(microbatch[copy == own]) for own in np.unique(copy)]
    apart = sum(map(len, copies)) == len(np.unique(microbatch))
    whole = all(own[-1] - own[0] < len(own) for own in copies)
    first, count = tuple(int(own[0]) for own in copies), tuple(map(len, copies))
    return Numbering(chain, first, count) if apart and whole else None


def _labels(short: Numbering, long: Numbering, growth: Sequence[int]) -> tuple[Labels, ...]:
    found = [
        Labels(first=first, moved=after - first, of_round=step)
        for first, after, step in zip(short.first, long.first, growth, strict=True)
    ]
    return tuple(sorted(found, key=lambda each: each.first))


def _zone(three: Sequence[_Read], numbers: Sequence[Numbering], growth: Sequence[int]) -> Zone | None:
    """The rounds of one rank, or None if its short, next longer and long order are not alike up to them."""
    names: dict[object, int] = {}
    a, b, whole = (_entries(order, names, own) for order, own in zip(three, numbers, strict=True))
    length = len(b) - len(a)
    shift = np.zeros_like(a)
    shift[:, 2] = np.array(growth)[a[:, 1]]
    head = _alike(a, b)
    tail = _alike((a + shift)[::-1], b[::-1])
    if length <= 0 or head + tail < len(a) + length:
        return None
    begins, completes = ends(three[0].order)
    first, stop = max(len(a) - tail, max(begins) + 1), min(head, *completes)
    if stop - first < length:
        return None
    inserted, rest = divmod(len(whole) - len(a), length)
    once = slice(first, first + length)
    every = np.arange(inserted)[:, None, None] * shift[once] + a[once]
    expected = [a[:first], every.reshape(-1, 3), (a + inserted * shift)[first:]]
    if rest or not np.array_equal(np.concatenate(expected), whole):
        return None
    return Zone(first=first, stop=stop, length=length)


def _entries(read: _Read, names: dict[object, int], numbers: Numbering) -> Entries:
    if len(read.order) == len(read.kind):
        copy = read.stage // numbers.chain
        own = read.microbatch - np.array(numbers.first)[copy]
        return np.stack([_name(read.kind, read.stage), copy, own], axis=1)
    flat = np.fromiter(_flat(read.order, names, numbers), dtype=np.int64, count=3 * len(read.order))
    return flat.reshape(-1, 3)


def _flat(order: Order, names: dict[object, int], numbers: Numbering) -> Iterator[int]:
    chain, firsts = numbers.chain, numbers.first
    for entry in order:
        passes = passes_of(entry)
        copies = [each.stage // chain for each in passes]
        own = [each.microbatch - firsts[copy] for each, copy in zip(passes, copies, strict=True)]
        what = tuple(
            (each.kind, each.stage, number - own[0]) for each, number in zip(passes, own, strict=True)
        )
        first, *others = passes
        yield names.setdefault(what, ~len(names)) if others else _name(KINDS[first.kind], first.stage)
        yield copies[0]
        yield own[0]


def _name(kind: Any, stage: Any) -> Any:  # noqa: ANN401 - a number or an array of them
    """What an entry of one pass does on which stage, as one number; those of two are below 0."""
    return stage * len(KINDS) + kind


def _alike(one: Entries, other: Entries) -> int:
    """Entries from the beginning up to which both are equal."""
    count = min(len(one), len(other))
    unlike = np.flatnonzero((one[:count] != other[:count]).any(axis=1))
    return int(unlike[0]) if len(unlike) else count
