"""Gossip: no centre; after every step a worker averages its parameters with those of one other worker.

The partner is drawn anew each time and goes on computing meanwhile (Lian, Zhang, Zhang, Liu 2018,
Asynchronous Decentralized Parallel Stochastic Gradient Descent, arXiv:1710.06952, algorithm 1). An exchange
takes the ports of both ends, in and out, together. The staleness of a gradient is the number of averagings
with others that changed its worker's parameters while it was computed; with equal workers one on average.
"""

from random import Random
from typing import cast

from simpy import Event

from simdl.engine.station import Station
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class Gossip:
    """The run of one training."""

    def __init__(self, training: Training) -> None:
        self._training = training
        workers = training.setting.workers
        self._random = Random(f"{training.setting.seed}/partners")  # noqa: S311 - a simulation
        self._version = [0] * workers
        self._read = [0] * workers
        self._step = [0] * workers
        self._began = [0.0] * workers

    def begin(self, worker: int) -> None:
        """Compute the next gradient on the worker's own parameters."""
        training = self._training
        self._read[worker] = self._version[worker]
        self._began[worker] = training.now
        factor = training.draws.factor(worker, self._step[worker])
        training.later(training.times.alone(factor), self._meet, worker)

    def _meet(self, event: Event) -> None:
        """Send parameters to a partner and receive its own."""
        training, worker = self._training, cast("int", event.value)
        stale = self._version[worker] - self._read[worker]
        training.record(worker, "compute", self._step[worker], self._began[worker], staleness=stale)
        training.use(float(stale))
        partner = self._random.randrange(training.setting.workers - 1)
        partner += partner >= worker
        wiring, now = training.wiring, training.now
        seconds = wiring.parameters / training.ports.rate
        start = now
        ends = self._ends(worker, partner)
        for station in ends:
            start = max(start, station.free)
        for station in ends:
            station.reserve(start, seconds, wiring.parameters)
        self._began[worker] = now
        training.later(start - now + seconds + wiring.latency, self._average, (worker, partner))

    def _ends(self, worker: int, partner: int) -> list[Station]:
        """The ports that an exchange takes."""
        ports = self._training.ports
        domains = sorted({ports.domain(worker), ports.domain(partner)})
        return [side[domain] for domain in domains for side in (ports.outward, ports.inward)]

    def _average(self, event: Event) -> None:
        training = self._training
        worker, partner = cast("tuple[int, int]", event.value)
        self._version[partner] += 1
        training.waited += training.now - self._began[worker]
        training.record(worker, "exchange", self._step[worker], self._began[worker])
        self._step[worker] += 1
        self.begin(worker)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    run = Gossip(training)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="gossip",
    description="after every step a worker averages with one other, drawn anew",
    start=start,
    staleness="averagings",
    source="Lian et al. 2018, arXiv:1710.06952",
    aliases=("decentralised", "decentralized", "ad-psgd"),
)
