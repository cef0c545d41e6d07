"""Skeletons: what waits for what in an order, as arrays, for longest paths of many durations at once.

A node is a pass, the transfer of its result, or the rounds that a long order has more than a short one
(:mod:`simdl.pipelines.rounds`). A path that leaves what stands before the insertion on some rank either stays
on that rank through all inserted rounds, or goes on from the same pass so many rounds later, which comes to
as much. So the longest path of a skeleton is one of the whole order, if maybe not its longest. Nodes are
sorted by level: those of one level wait for lower ones alone.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.passes import Entry, Orders, Pass, PassKind, Result, needs, passes_of, results
from simdl.pipelines.registry import pipeline
from simdl.pipelines.remembered import remembered
from simdl.pipelines.rounds import Rounds, settled_rounds
from simdl.pipelines.walk import walk

Indices = NDArray[np.int64]
Key = tuple[tuple[PassKind, int], ...]
"""What an entry does on which stages."""
WAITS = 3
"""Nodes that a node waits for, at most: its stream, and a neighbour for each of two passes."""
MOST = 20_000
"""Forward and backward passes of the order that is read, above which there is no skeleton."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Skeleton:
    """The nodes of an order.

    A node lasts as long as its column says: one of the distinct entries, the transfer from a stage to the
    next or back, or the rounds inserted on a rank.

    Attributes:
        entries: that the first columns stand for.
        stages: of all copies; so many columns follow, of the transfer after each stage.
        ranks: of the pipeline; the last columns.
        inserted: rounds that the order has more than there are nodes for.
        round: [ranks x entries and stages] how often each column occurs on a rank's stream in a round.
        column: [nodes], from the lowest level on; the first ``ranks`` nodes are the ranks' beginnings, and
            have none.
        waits: [``WAITS`` x nodes].
        levels: first node of every level above the beginnings, and how many nodes there are.
        last: [ranks] the node of the last pass.
    """

    entries: tuple[Key, ...]
    stages: int
    ranks: int
    inserted: int
    round: Indices
    column: Indices
    waits: Indices
    levels: tuple[int, ...]
    last: Indices


@remembered(1024)
def skeleton(
    name: str, ranks: int, microbatches: int, virtual_stages: int, *, blocking: bool
) -> Skeleton | None:
    """The skeleton of an order; None where it is too long and repeats nothing.

    Args:
        name: of the schedule.
        ranks: of the pipeline.
        microbatches: of a step.
        virtual_stages: per rank.
        blocking: whether transfers hold the stream of the rank that sends.
    """
    found, chain = pipeline(name), ranks * virtual_stages
    for more in (0, 1, 2, 4):
        rounds = settled_rounds(found, ranks, microbatches, virtual_stages, more)
        if rounds is None or 2 * chain * rounds.microbatches > MOST:
            break
        orders = found.build(ranks, rounds.microbatches, virtual_stages)
        cut = _cut(orders, rounds, chain)
        if cut is not None:
            return _Nodes(orders, chain, found.copies, blocking=blocking, rounds=rounds, cut=cut).skeleton()
    if 2 * chain * microbatches > MOST:
        return None
    orders = found.build(ranks, microbatches, virtual_stages)
    return _Nodes(orders, chain, found.copies, blocking=blocking).skeleton()


def _cut(orders: Orders, rounds: Rounds, chain: int) -> list[int] | None:
    """Per rank the entry before which rounds are inserted: nothing before waits for anything behind."""
    place = {
        result: (rank, position)
        for rank, order in enumerate(orders)
        for position, entry in enumerate(order)
        for one in passes_of(entry)
        for result in results(one)
    }
    cut, done = [zone.first for zone in rounds.zones], [0] * len(orders)
    while cut != done:
        for rank, order in enumerate(orders):
            for entry in order[done[rank] : cut[rank]]:
                for need in _all_needs(entry, chain):
                    other, position = place[need]
                    zone = rounds.zones[other]
                    while cut[other] <= position:
                        cut[other] += zone.length
                        if cut[other] > zone.stop:
                            return None
            done[rank] = cut[rank]
    return cut


def _all_needs(entry: Entry, chain: int) -> Iterator[Result]:
    for one in passes_of(entry):
        yield from needs(one, chain)


class _Nodes:
    """The nodes of an order as they are found."""

    def __init__(
        self,
        orders: Orders,
        chain: int,
        copies: int,
        *,
        blocking: bool,
        rounds: Rounds | None = None,
        cut: Sequence[int] = (),
    ) -> None:
        self._orders, self._chain, self._stages, self._blocking = orders, chain, chain * copies, blocking
        self._rounds, self._cut = rounds, cut or [len(order) for order in orders]
        keys = dict.fromkeys(_key(entry) for order in orders for entry in order)
        self._entry = {key: number for number, key in enumerate(keys)}
        ranks = range(len(orders))
        self._place = {one.stage: rank for rank in ranks for e in orders[rank] for one in passes_of(e)}
        self._column, self._waits = array("q", [0 for _ in ranks]), array("q")
        for rank in ranks:
            self._waits.extend([rank] * WAITS)
        self._level = array("q", [0 for _ in ranks])
        self._stream, self._last = [*ranks], [*ranks]
        self._lanes: dict[tuple[int, bool], int] = {}
        self._arrivals: dict[tuple[bool, int, int], tuple[int, int, int, int]] = {}

    def skeleton(self) -> Skeleton:
        """All nodes."""
        for rank, position in walk(self._orders, self._chain):
            self._add_entry(rank, position)
        level = np.array(self._level)
        order = np.argsort(level, kind="stable")
        renamed = np.empty_like(order)
        renamed[order] = np.arange(len(order))
        edges = np.searchsorted(level[order], np.arange(1, int(level.max()) + 2))
        return Skeleton(
            entries=tuple(self._entry),
            stages=self._stages,
            ranks=len(self._orders),
            inserted=self._rounds.inserted if self._rounds else 0,
            round=np.array([self._round(rank) for rank in range(len(self._orders))]),
            column=np.array(self._column)[order],
            waits=renamed[np.array(self._waits).reshape(-1, WAITS)[order].T],
            levels=tuple(edges.tolist()),
            last=renamed[np.array(self._last)],
        )

    def _add(self, column: int, waits: Sequence[int]) -> int:
        self._column.append(column)
        self._waits.extend([*waits, *[waits[0]] * (WAITS - len(waits))])
        self._level.append(1 + max(self._level[each] for each in waits))
        return len(self._level) - 1

    def _add_entry(self, rank: int, position: int) -> None:
        entry, late = self._orders[rank][position], position >= self._cut[rank]
        if position == self._cut[rank] and self._rounds:
            self._stream[rank] = self._add(self._inserted(rank), [self._stream[rank]])
            self._lanes.pop((rank, True), None)
            self._lanes.pop((rank, False), None)
        waits = [self._stream[rank]]
        for one in passes_of(entry):
            waits += [node for each in self._neighbours(one) for node in self._arrived(each, late=late)]
        node = self._add(self._entry[_key(entry)], waits)
        self._stream[rank] = self._last[rank] = node
        for one in passes_of(entry):
            for forward in [True] * one.kind.sends_forward + [False] * one.kind.sends_back:
                sent = self._send(rank, one.stage, node, forward=forward)
                self._arrivals[forward, one.stage, one.microbatch] = node, sent, rank, position

    def _send(self, rank: int, stage: int, node: int, *, forward: bool) -> int:
        """The node of a transfer, or that of the pass where there is none."""
        boundary = self._boundary(stage, forward=forward)
        if boundary is None:
            return node
        column, lane = len(self._entry) + boundary, (rank, forward)
        if self._blocking:
            sent = self._stream[rank] = self._add(column, [self._stream[rank]])
        else:
            sent = self._lanes[lane] = self._add(column, [node, self._lanes.get(lane, node)])
        return sent

    def _boundary(self, stage: int, *, forward: bool) -> int | None:
        """The stage after which a result crosses to another rank; None where it stays or goes nowhere."""
        first = stage if forward else stage - 1
        if first % self._chain == self._chain - 1 or self._place[first] == self._place[first + 1]:
            return None
        return first

    def _neighbours(self, one: Pass) -> Iterator[tuple[bool, int, int]]:
        """Results of other ranks that a pass waits for."""
        chain = self._chain
        if one.kind.needs_previous and self._boundary(one.stage, forward=False) is not None:
            yield True, one.stage - 1, one.microbatch
        if (
            one.kind.needs_next
            and (one.stage + 1) % chain
            and self._place[one.stage + 1] != self._place[one.stage]
        ):
            yield False, one.stage + 1, one.microbatch

    def _arrived(self, result: tuple[bool, int, int], *, late: bool) -> list[int]:
        """The node after which a result is there, as many rounds later as one behind the insertion needs."""
        node, sent, rank, position = self._arrivals[result]
        if not late or position >= self._cut[rank] or not self._rounds:
            return [sent]
        if position < self._rounds.zones[rank].first:
            return []
        later = self._add(self._inserted(rank), [node])
        boundary = self._boundary(result[1], forward=result[0])
        return [later if boundary is None else self._add(len(self._entry) + boundary, [later])]

    def _inserted(self, rank: int) -> int:
        return len(self._entry) + self._stages + rank

    def _round(self, rank: int) -> Indices:
        """How often every column occurs on a rank's stream in a round."""
        counts = np.zeros(len(self._entry) + self._stages, dtype=np.int64)
        if not self._rounds:
            return counts
        zone = self._rounds.zones[rank]
        for entry in self._orders[rank][zone.first : zone.first + zone.length]:
            counts[self._entry[_key(entry)]] += 1
            for one in passes_of(entry) if self._blocking else ():
                for forward in [True] * one.kind.sends_forward + [False] * one.kind.sends_back:
                    boundary = self._boundary(one.stage, forward=forward)
                    if boundary is not None:
                        counts[len(self._entry) + boundary] += 1
        return counts


def _key(entry: Entry) -> Key:
    return tuple((one.kind, one.stage) for one in passes_of(entry))
