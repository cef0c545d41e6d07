"""Unfolding: a program with more rank classes than one per pipeline rank, to the last rank if need be.

A folded program has one class of equal ranks per pipeline rank. Where something breaks the symmetry (a slow
device), or to check the folding, its classes are split: by replica, and by rank of a replica. Ranks of one
replica and stage run their passes in lock-step (each pass contains their collectives), so a pass is a
rendezvous of its replica's classes; a gradient or parameter collective is a rendezvous of all. Every class
loads the ports of the domain in which it stands. Folding is right if and only if folded and unfolded runs
agree; the tests hold them equal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from simdl.program.action import Action, Load
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, Program, RankClass, Stream
from simdl.rank_names import name_ranks


@dataclass(frozen=True, slots=True)
class Slice:
    """Some neighbouring ranks of every pipeline rank.

    Attributes:
        replica: number of the group of slices that run the passes of the same microbatches together.
        first: lowest of them, from the first rank of the pipeline rank on.
        count: ranks.
    """

    replica: int
    first: int
    count: int


def every_rank(replicas: int, lanes: int) -> list[Slice]:
    """One slice per rank, of ``replicas`` x ``lanes``."""
    return [Slice(q, q * lanes + lane, 1) for q in range(replicas) for lane in range(lanes)]


def apart(ranks: Sequence[int], *, replicas: int, lanes: int) -> list[Slice]:
    """Slices that set every replica with one of these ranks apart; all ranks are of the whole cluster."""
    special = {rank % (replicas * lanes) // lanes for rank in ranks}
    return _between({*special, *(q + 1 for q in special)}, replicas, lanes)


def at_replicas(starts: Sequence[int], *, replicas: int, lanes: int) -> list[Slice]:
    """Slices that part the replicas at these ranks; a replica that lies across one is set apart."""
    cuts = set()
    for start in starts:
        replica, inside = divmod(start % (replicas * lanes), lanes)
        cuts |= {replica, replica + 1} if inside else {replica}
    return _between(cuts, replicas, lanes)


def _between(cuts: Iterable[int], replicas: int, lanes: int) -> list[Slice]:
    """Runs of replicas from each of these to the next."""
    starts = sorted({0, *(cut for cut in cuts if 0 < cut < replicas)})
    ends = [*starts[1:], replicas]
    return [
        Slice(number, first * lanes, (end - first) * lanes)
        for number, (first, end) in enumerate(zip(starts, ends, strict=True))
    ]


def unfold(program: Program, slices: Sequence[Slice], speeds: Mapping[int, float] | None = None) -> Program:
    """The program with every class split into slices.

    Args:
        program: one class per pipeline rank.
        slices: that together are all ranks of a class.
        speeds: of the compute streams of some ranks; 1 for others. A class is as fast as its slowest rank.
    """
    classes = [
        RankClass(
            stage=old.stage,
            count=each.count,
            first=old.first + each.first,
            speed=_slowest(old.first + each.first, each.count, speeds or {}),
        )
        for old in program.classes
        for each in slices
    ]
    streams = [
        Stream(stream.rank * len(slices) + number, stream.name)
        for stream in program.streams
        for number in range(len(slices))
    ]
    return _Copies(program, slices, ProgramBuilder(classes, streams)).program()


def _slowest(first: int, count: int, speeds: Mapping[int, float]) -> float:
    found = [speed for rank, speed in speeds.items() if first <= rank < first + count]
    return min([*found, 1.0]) if len(found) < count else min(found)


class _Copies:
    """Copies of the tasks of a program: one per replica, or one for all replicas."""

    def __init__(self, program: Program, slices: Sequence[Slice], builder: ProgramBuilder) -> None:
        self._old = program
        self._slices = slices
        self._builder = builder
        self._members: dict[int, list[int]] = {}
        for number, each in enumerate(slices):
            self._members.setdefault(each.replica, []).append(number)
        self._known: dict[tuple[int, int], int] = {}

    def program(self) -> Program:
        old, places = self._old, []
        for index in range(len(old)):
            joint = old.streams[old.stream[index]].name == Lane.COLLECTIVE
            groups = [(-1, range(len(self._slices)))] if joint else self._members.items()
            copies = [self._copy(index, replica, members) for replica, members in groups]
            places.append(copies * len(self._members) if joint else copies)
        for index, copies in enumerate(places):
            for before in old.after(index):
                for task, earlier in {*zip(copies, places[before], strict=True)}:
                    self._builder.wait(task, earlier)
        return self._builder.program()

    def _copy(self, index: int, replica: int, members: Sequence[int]) -> int:
        old = self._old
        streams = tuple(
            stream * len(self._slices) + number for stream in old.streams_of(index) for number in members
        )
        key = (old.action[index], replica)
        if key not in self._known:
            found = self._relocated(old.actions[key[0]], members)
            self._known[key] = self._builder.action(found)
        task = self._builder.add(self._known[key], streams[0], microbatch=old.microbatch[index])
        if len(streams) > 1:
            self._builder.hold(task, streams)
        return task

    def _relocated(self, action: Action, members: Sequence[int]) -> Action:
        """The action with its loads on the ports of the domains in which its ranks stand."""
        if not action.loads:
            return action
        shares: dict[tuple[int, int], tuple[float, int]] = {}
        for load in action.loads:
            for rank, count in self._domains(load, members):
                channel = self._builder.channel(_moved(self._old.channels[load.channel], load.rank, rank))
                share, ranks = shares.get((channel, rank), (0.0, count))
                shares[channel, rank] = share + load.share * count / load.members, ranks
        total: dict[int, tuple[float, int]] = {}
        for (channel, _), (share, ranks) in shares.items():
            before, others = total.get(channel, (0.0, 0))
            total[channel] = before + share, others + ranks
        loads = tuple(
            Load(channel, min(1.0, share), members=ranks) for channel, (share, ranks) in total.items()
        )
        return replace(action, loads=loads)

    def _domains(self, load: Load, members: Sequence[int]) -> Iterator[tuple[int, int]]:
        """First rank and number of ranks of each slice that stand behind the ports of its first domain."""
        behind = self._old.channels[load.channel].reach
        for number in members:
            first = load.rank + self._slices[number].first
            yield first, min(self._slices[number].count, behind - first % behind, load.members)


def _moved(channel: Channel, first: int, rank: int) -> Channel:
    """The same ports of the domain of another rank."""
    low, new = (each // channel.reach * channel.reach for each in (first, rank))
    here, there = (f" of {name_ranks(each, channel.reach)}" for each in (low, new))
    return replace(channel, name=channel.name.replace(here, there))
