"""Elastic averaging: workers train copies of their own, which a centre on servers pulls together.

Every ``period`` steps a worker sends its parameters; centre and worker move towards each other (Zhang,
Choromanska, LeCun 2015, arXiv:1412.6651, algorithm 1). The staleness is that of the centre: exchanges of
others since the worker's own last one.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.exchange import Pull, Servers
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class ElasticAveraging:
    """The run of one training."""

    def __init__(self, training: Training, servers: Servers) -> None:
        self._training = training
        self._servers = servers
        workers, count = training.setting.workers, servers.count
        self._version = [0] * count
        self._read = [[0] * count for _ in range(workers)]
        self._step = [0] * workers
        self._began = [0.0] * workers
        self._left = [0] * workers
        self._last = [0.0] * workers
        self._stale = [0] * workers
        self._computing = [(0.0, 0.0)] * workers
        self._pull: list[Pull | None] = [None] * workers

    def begin(self, worker: int) -> None:
        """Compute the next step of a worker."""
        training = self._training
        self._began[worker] = training.now
        factor = training.draws.factor(worker, self._step[worker])
        training.later(training.times.alone(factor), self._computed, worker)

    def _computed(self, event: Event) -> None:
        training, worker = self._training, cast("int", event.value)
        step = self._step[worker]
        self._step[worker] = step + 1
        self._computing[worker] = self._began[worker], training.now
        if (step + 1) % training.setting.period:
            training.record(worker, "compute", step, self._began[worker])
            training.use(None)
            self.begin(worker)
            return
        servers = self._servers
        self._began[worker] = training.now
        self._left[worker], self._stale[worker] = servers.count, 0
        self._pull[worker] = Pull(worker, training.wiring.parameters, servers.count, self._moved)
        servers.push(worker, training.wiring.parameters, training.wiring.average, self._arrive)

    def _arrive(self, worker: int, server: int, applied: float) -> None:
        """A part is at its server, which applies parts and answers in the order of arrival."""
        read, version = self._read[worker], self._version
        self._stale[worker] += version[server] - read[server]
        version[server] += 1
        read[server] = version[server]
        self._last[worker] = max(self._last[worker], applied)
        self._left[worker] -= 1
        if not self._left[worker]:
            stale, step = self._stale[worker] / self._servers.count, self._step[worker] - 1
            self._training.record(worker, "compute", step, *self._computing[worker], staleness=stale)
            self._training.use(stale, at=self._last[worker])
        pull = self._pull[worker]
        assert pull is not None  # noqa: S101 - made when its message was sent
        self._servers.answer(pull, server, applied)

    def _moved(self, worker: int) -> None:
        training = self._training
        training.waited += training.now - self._began[worker]
        training.record(worker, "exchange", self._step[worker] - 1, self._began[worker])
        self.begin(worker)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    assert training.servers is not None  # noqa: S101 - checked before
    run = ElasticAveraging(training, training.servers)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="elastic-averaging",
    description="own copies, pulled to a centre on servers every so many steps (--period)",
    start=start,
    staleness="exchanges with the centre",
    servers=True,
    options=("servers", "period"),
    source="Zhang, Choromanska, LeCun 2015, arXiv:1412.6651",
    aliases=("easgd", "elastic"),
)
