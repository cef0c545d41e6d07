"""Exchange: ports of workers and servers, and the messages between them.

Workers and servers are joined by the outermost level of the cluster, or by the innermost where there is one
node. A domain of that level (a node, or all nodes of a worker that spans several) has one port per direction,
shared by its workers; a server is one more domain with a port per direction and the memory of a host. Every
port and every memory serves one message at a time (:mod:`simdl.engine.station`), so queues form where load
is. A message streams: it leaves a port while it enters the next, and is through when its last byte is through
the slower of the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from simpy import Environment, Event, Timeout

from hardware.cluster import Cluster
from hardware.profiles import load_device
from simdl.communication import Operation, collective_seconds
from simdl.communication.library import load_library
from simdl.communication.ports import reach
from simdl.compression.method import parse_compression
from simdl.engine.station import Station
from simdl.step.costs.gradients import gradient_bytes, replica_group
from simdl.step.costs.step_cost import StepCost
from simdl.step.costs.update import moment_bytes

HOST = "host-cpu"
"""Device profile of a server's processor and memory."""
Done = Callable[[int], None]
"""What goes on on a worker when an answer has arrived."""
Arrive = Callable[[int, int, float], None]
"""What happens when a part of a worker's message reaches its server: worker, server, when it is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What messages meet.

    Attributes:
        link: name of the link that joins workers and servers.
        bandwidth: [bytes/s] of one domain's port, one direction, that long messages sustain.
        latency: [s] of one message.
        domains: of the cluster that one worker spans.
        sharers: workers that share one domain.
        gradient: [bytes] of a worker's whole gradient.
        parameters: [bytes] of all parameters as workers read them.
        memory: [bytes/s] of a server's memory.
        update: [s] in which one server would update all parameters.
        average: [s] in which one server would move all parameters halfway.
        all_average: [s] in which all workers average their parameters by a collective.
    """

    link: str
    bandwidth: float
    latency: float
    domains: float
    sharers: int
    gradient: float
    parameters: float
    memory: float
    update: float
    average: float
    all_average: float


def find_wiring(step: StepCost, worker_devices: int) -> Wiring:
    """The wiring of a priced step whose replicas have so many devices."""
    pricing, workload = step.pricing, step.workload
    cluster = pricing.cluster
    level = cluster.levels[joining_level(cluster)]
    behind = reach(joining_level(cluster), cluster)
    strategy = step.strategy
    elements = sum(
        share.parameters * strategy.tp for rank in range(strategy.pp) for share in step.rank_gradients(rank)
    )
    precision = workload.precision
    kept = moment_bytes(workload) + (precision.master or precision.parameter)
    words = 2 * kept + gradient_bytes(1, pricing) + (precision.parameter if precision.master else 0)
    host = load_device(HOST)
    memory = host.memory_bandwidth * host.memory.fraction
    return Wiring(
        link=level.link.name,
        bandwidth=level.link.bandwidth * level.ports * level.link.efficiency,
        latency=level.link.latency + load_library(pricing.stack.library).launch,
        domains=max(1.0, worker_devices / behind),
        sharers=max(1, behind // worker_devices),
        gradient=(
            parse_compression(strategy.compression).sent_bytes(elements)
            if strategy.compression
            else gradient_bytes(elements, pricing)
        ),
        parameters=elements * precision.parameter,
        memory=memory,
        update=elements * words / memory,
        average=elements * 3 * precision.parameter / memory,
        all_average=max(_average_time(step, rank) for rank in range(strategy.pp)),
    )


def _average_time(step: StepCost, rank: int) -> float:
    """[s] in which the replicas of a pipeline rank average their parameters."""
    pricing = step.pricing
    return sum(
        collective_seconds(
            Operation.ALL_REDUCE,
            share.parameters * step.workload.precision.parameter,
            replica_group(share.group, step.strategy),
            pricing.cluster,
            library=pricing.stack.library,
        )
        for share in step.rank_gradients(rank)
    )


def joining_level(cluster: Cluster) -> int:
    """Index of the level over which workers reach one another and their servers."""
    return len(cluster.levels) - 1 if cluster.count > 1 else 0


class Ports:
    """Ports of all domains of workers while a training runs."""

    def __init__(self, wiring: Wiring, workers: int) -> None:
        count = -(-workers // wiring.sharers)
        self.wiring = wiring
        self.rate = wiring.bandwidth * wiring.domains
        self.outward = [Station(f"{wiring.link} of workers, out") for _ in range(count)]
        self.inward = [Station(f"{wiring.link} of workers, in") for _ in range(count)]

    def domain(self, worker: int) -> int:
        """The domain of a worker."""
        return worker // self.wiring.sharers


class Push:
    """A message of a worker to all servers, on its way."""

    __slots__ = ("arrive", "part", "work", "worker")

    def __init__(self, worker: int, part: float, work: float, arrive: Arrive) -> None:
        self.worker = worker
        self.part = part
        self.work = work
        self.arrive = arrive


class Pull:
    """The answers of all servers to a worker, on their way."""

    __slots__ = ("done", "latest", "part", "remaining", "worker")

    def __init__(self, worker: int, nbytes: float, servers: int, done: Done) -> None:
        self.worker = worker
        self.part = nbytes / servers
        self.remaining = servers
        self.latest = 0.0
        self.done = done


class Servers:
    """Servers that share the parameters evenly, each with a port per direction and a memory."""

    def __init__(self, environment: Environment, ports: Ports, count: int) -> None:
        link = ports.wiring.link
        self._environment = environment
        self._ports = ports
        self._rate = ports.rate
        self._sharers = ports.wiring.sharers
        self._bandwidth = ports.wiring.bandwidth
        self._latency = ports.wiring.latency
        self._memory = ports.wiring.memory
        self.count = count
        self.inward = [Station(f"{link} of servers, in") for _ in range(count)]
        self.memory = [Station("memory of servers") for _ in range(count)]
        self.outward = [Station(f"{link} of servers, out") for _ in range(count)]

    def push(self, worker: int, nbytes: float, work: float, arrive: Arrive) -> None:
        """Send each server its part of a message that it has to apply.

        Args:
            worker: that sends.
            nbytes: [bytes] to all servers together.
            work: [s] in which one server alone would apply the whole message.
            arrive: called with worker, server and the time at which the part will have been applied [s], in
                the order in which the server applies parts.
        """
        environment, count, part = self._environment, self.count, nbytes / self.count
        now, latency = environment.now, self._latency
        push = Push(worker, part, work / count, arrive)
        seconds = part / self._rate
        reserve = self._ports.outward[worker // self._sharers].reserve
        for turn in range(count):
            head = reserve(now, seconds, part) + latency
            value = (push, (worker + turn) % count, head + seconds)
            Timeout(environment, head - now, value).callbacks.append(self._arrive)

    def _arrive(self, event: Event) -> None:
        """The first byte of a part reaches its server: port and memory are taken in the order of arrival."""
        push, server, tail = cast("tuple[Push, int, float]", event.value)
        part, work = push.part, push.work
        seconds = part / self._bandwidth
        received = self.inward[server].reserve(self._environment.now, seconds, part) + seconds
        received = max(received, tail)
        begun = self.memory[server].reserve(received, work, work * self._memory)
        push.arrive(push.worker, server, begun + work)

    def answer(self, pull: Pull, server: int, at: float) -> None:
        """Send a server's part of an answer, now or later, behind all earlier answers of the server.

        The pull is done when the parts of all servers are there.
        """
        part, environment = pull.part, self._environment
        seconds = part / self._bandwidth
        head = self.outward[server].reserve(at, seconds, part) + self._latency
        value = (pull, head + seconds)
        Timeout(environment, head - environment.now, value).callbacks.append(self._reach)

    def _reach(self, event: Event) -> None:
        """The first byte of an answer reaches its worker's port."""
        pull, tail = cast("tuple[Pull, float]", event.value)
        now, part = self._environment.now, pull.part
        seconds = part / self._rate
        start = self._ports.inward[pull.worker // self._sharers].reserve(now, seconds, part)
        pull.latest = max(pull.latest, start + seconds, tail)
        pull.remaining -= 1
        if not pull.remaining:
            Timeout(self._environment, pull.latest - now, pull).callbacks.append(_done)


def _done(event: Event) -> None:
    pull = cast("Pull", event.value)
    pull.done(pull.worker)
