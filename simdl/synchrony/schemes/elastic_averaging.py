"""Elastic averaging: workers train copies of their own, which a centre on servers pulls together.

Every ``period`` steps a worker sends its parameters; centre and worker move towards each other (Zhang,
Choromanska, LeCun 2015, arXiv:1412.6651, algorithm 1). The staleness is that of the centre: exchanges of
others since the worker's own last one.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.exchange import Servers
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.server_exchange import ServerExchange
from simdl.synchrony.training import Training


class ElasticAveraging:
    """The run of one training."""

    def __init__(self, training: Training, servers: Servers) -> None:
        workers = training.setting.workers
        self._training = training
        self._exchange = ServerExchange(training, servers, self._applied)
        self._step = [0] * workers
        self._began = [0.0] * workers
        self._computing = [(0.0, 0.0)] * workers

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
        self._began[worker] = training.now
        self._exchange.push(worker, training.wiring.parameters, training.wiring.average, self._moved)

    def _applied(self, worker: int, staleness: float) -> None:
        step = self._step[worker] - 1
        self._training.record(worker, "compute", step, *self._computing[worker], staleness=staleness)

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
