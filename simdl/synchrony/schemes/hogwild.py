"""Hogwild: workers of one node read and write one shared copy of the parameters, without locks.

Nobody waits for anybody: a worker reads all parameters over its own port, computes, and writes its update
back (Niu, Recht, Re, Wright 2011, arXiv:1106.5730). The shared copy is spread over the memories of the node,
so that ports of different workers do not meet. The staleness of a gradient is the number of writes of others
that ended between the begin of its read and the end of its own write.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class Hogwild:
    """The run of one training."""

    def __init__(self, training: Training) -> None:
        self._training = training
        workers, wiring = training.setting.workers, training.wiring
        self._writes = 0
        self._seen = [0] * workers
        self._step = [0] * workers
        self._began = [0.0] * workers
        self._computing = [(0.0, 0.0)] * workers
        self._read = wiring.latency + wiring.parameters / training.ports.rate
        self._write = wiring.latency + wiring.gradient / training.ports.rate

    def begin(self, worker: int) -> None:
        """Read the parameters."""
        self._seen[worker] = self._writes
        self._began[worker] = self._training.now
        self._move(worker, self._training.wiring.parameters, inward=True)
        self._training.later(self._read, self._compute, worker)

    def _compute(self, event: Event) -> None:
        worker, training = cast("int", event.value), self._training
        training.record(worker, "exchange", self._step[worker], self._began[worker])
        self._began[worker] = training.now
        factor = training.draws.factor(worker, self._step[worker])
        training.later(training.times.alone(factor), self._update, worker)

    def _update(self, event: Event) -> None:
        worker, training = cast("int", event.value), self._training
        self._computing[worker] = self._began[worker], training.now
        self._began[worker] = training.now
        self._move(worker, training.wiring.gradient, inward=False)
        training.later(self._write, self._written, worker)

    def _written(self, event: Event) -> None:
        worker, training = cast("int", event.value), self._training
        step, stale = self._step[worker], float(self._writes - self._seen[worker])
        training.record(worker, "compute", step, *self._computing[worker], staleness=stale)
        training.record(worker, "exchange", step, self._began[worker])
        training.use(stale)
        self._writes += 1
        self._step[worker] += 1
        self.begin(worker)

    def _move(self, worker: int, nbytes: float, *, inward: bool) -> None:
        """Count the bytes on the worker's port, which no other worker uses."""
        ports = self._training.ports
        side = ports.inward if inward else ports.outward
        side[ports.domain(worker)].reserve(self._training.now, nbytes / ports.rate, nbytes)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    run = Hogwild(training)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="hogwild",
    description="workers of one node read and write one copy without locks",
    start=start,
    staleness="updates",
    one_node=True,
    source="Niu et al. 2011, arXiv:1106.5730",
    aliases=("lock-free", "shared-memory"),
)
