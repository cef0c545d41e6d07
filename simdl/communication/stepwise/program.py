"""From a schedule to a program on a topology: every message is a transfer that loads the links of its route.

A message of s bytes takes alpha + s beta alone: alpha is the latency of the slowest link on its way, once for
every member that it passes through, and beta belongs to the narrowest. Messages that meet on a link share it.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from simdl.communication.stepwise.schedule import Message, Schedule
from simdl.engine.run import run
from simdl.errors import CollectiveError
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, Program, RankClass, Stream
from simdl.topology.graph import Graph
from simdl.topology.routes import route


def simulate_schedule(schedule: Schedule, graph: Graph, *, gamma: float = 0.0) -> float:
    """[s] until the last message of a schedule has arrived and been combined.

    Args:
        schedule: the messages.
        graph: that joins the ranks, its first vertices.
        gamma: [s/byte] of combining.

    Raises:
        CollectiveError: more ranks than the topology has.
    """
    return run(collective_program(schedule, graph, gamma=gamma)).step_time


def collective_program(schedule: Schedule, graph: Graph, *, gamma: float = 0.0) -> Program:
    """The program of a schedule; arguments as for :func:`simulate_schedule`."""
    if schedule.ranks > graph.members:
        raise CollectiveError(
            f"collective of {schedule.ranks} ranks: expected at most the {graph.members} of the topology"
        )
    return _Build(schedule, graph, gamma).program()


class _Build:
    """Messages in order, with what every rank waits for."""

    def __init__(self, schedule: Schedule, graph: Graph, gamma: float) -> None:
        self._schedule, self._graph, self._gamma = schedule, graph, gamma
        self._streams: dict[tuple[int, Lane, int], int] = {}
        self._ready: defaultdict[int, tuple[int, ...]] = defaultdict(tuple)
        slots = _slots(schedule.rounds)
        every = [
            (rank, lane, slot)
            for rank in range(schedule.ranks + 1)
            for lane, most in ((Lane.COLLECTIVE, slots[rank, True]), (Lane.COMPUTE, slots[rank, False]))
            for slot in range(max(1, most))
        ]
        self._streams = {key: number for number, key in enumerate(every)}
        self._builder = ProgramBuilder(
            [RankClass(stage=0, first=rank) for rank in range(schedule.ranks + 1)],
            [Stream(rank, lane) for rank, lane, _ in every],
        )
        self._channels = [
            self._builder.channel(
                Channel(
                    name=f"{edge.link.name} {number}: {graph.names[edge.tail]} > {graph.names[edge.head]}",
                    bandwidth=edge.bandwidth * edge.link.efficiency,
                )
            )
            for number, edge in enumerate(graph.edges)
        ]

    def program(self) -> Program:
        for each in self._schedule.rounds:
            self._add_round(each)
        return self._builder.program()

    def _add_round(self, messages: Sequence[Message]) -> None:
        done: defaultdict[int, list[int]] = defaultdict(list)
        slots: defaultdict[tuple[int, bool], int] = defaultdict(int)
        for message in messages:
            ends = message.source, message.target
            sent = self._slot(slots, message.source, sends=True)
            task = self._builder.add(
                self._action(message),
                self._streams[message.source, Lane.COLLECTIVE, sent],
                tuple({*self._ready[ends[0]], *self._ready[ends[1]]}),
            )
            done[message.source].append(task)
            got = self._slot(slots, message.target, sends=False)
            if message.combined and self._gamma:
                task = self._builder.add(
                    self._combine(message), self._streams[message.target, Lane.COMPUTE, got], (task,)
                )
            done[message.target].append(task)
        if self._schedule.lockstep:
            together = tuple({task for tasks in done.values() for task in tasks})
            barrier = self._builder.add(self._barrier(), self._streams[0, Lane.COMPUTE, 0], together)
            self._ready = defaultdict(lambda: (barrier,))
            return
        self._ready.update({rank: tuple(tasks) for rank, tasks in done.items()})

    @staticmethod
    def _slot(slots: defaultdict[tuple[int, bool], int], rank: int, *, sends: bool) -> int:
        slots[rank, sends] += 1
        return slots[rank, sends] - 1

    def _action(self, message: Message) -> int:
        edges = route(self._graph, message.source, message.target)
        latency, bandwidth = _way(self._graph, edges)
        seconds = latency + message.nbytes / bandwidth
        loads = tuple(
            Load(
                self._channels[edge],
                min(
                    1.0,
                    message.nbytes
                    / seconds
                    / (self._graph.edges[edge].bandwidth * self._graph.edges[edge].link.efficiency),
                ),
            )
            for edge in edges
        )
        return self._builder.action(
            Transfer(
                purpose=Purpose.MESSAGE,
                cause=Cause.DATA,
                operation=None,
                ranks=2,
                nbytes=message.nbytes,
                duration=seconds,
                loads=loads if message.nbytes else (),
            )
        )

    def _combine(self, message: Message) -> int:
        parts = ((Cause.DATA, message.combined * self._gamma),)
        return self._builder.action(Work(purpose=Purpose.COMBINE, parts=parts))

    def _barrier(self) -> int:
        return self._builder.action(Work(purpose=Purpose.COMBINE, parts=()))


def message_way(graph: Graph, source: int, target: int) -> tuple[float, float]:
    """[s] and [bytes/s] of a message that meets no other."""
    return _way(graph, route(graph, source, target))


@lru_cache(maxsize=65536)
def _way(graph: Graph, edges: tuple[int, ...]) -> tuple[float, float]:
    """[s] and [bytes/s] of a route."""
    links = [graph.edges[edge] for edge in edges]
    passed = sum(edge.head < graph.members for edge in links[:-1])
    latency = max(edge.link.latency for edge in links) * (1 + passed)
    return latency, min(edge.bandwidth * edge.link.efficiency for edge in links)


def _slots(rounds: Sequence[Sequence[Message]]) -> defaultdict[tuple[int, bool], int]:
    """Messages that a rank sends (True) or receives (False) at most in one round."""
    most: defaultdict[tuple[int, bool], int] = defaultdict(int)
    for each in rounds:
        found: defaultdict[tuple[int, bool], int] = defaultdict(int)
        for message in each:
            found[message.source, True] += 1
            found[message.target, False] += 1
        for key, count in found.items():
            most[key] = max(most[key], count)
    return most
