"""Asynchronous: workers push gradients to sharded servers and go on with what comes back, each at its pace.

Every server applies what arrives in the order of arrival and answers with its part of the parameters (Dean et
al. 2012, Large Scale Distributed Deep Networks, section 4.1; Li et al. 2014). The staleness of a gradient is
the number of others that were applied between the answer that it was computed from and its own application,
mean over the servers.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.exchange import Servers
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.server_exchange import ServerExchange
from simdl.synchrony.training import Training


class Asynchronous:
    """The run of one training."""

    def __init__(self, training: Training, servers: Servers) -> None:
        workers = training.setting.workers
        self._training = training
        self._exchange = ServerExchange(training, servers, self._applied)
        self._step = [0] * workers
        self._began = [0.0] * workers
        self._pushed = [0.0] * workers

    def begin(self, worker: int) -> None:
        """Compute the next gradient of a worker."""
        training = self._training
        now = training.now
        if self._step[worker]:
            training.waited += now - self._pushed[worker]
            training.record(worker, "exchange", self._step[worker] - 1, self._pushed[worker])
        self._began[worker] = now
        factor = training.draws.factor(worker, self._step[worker])
        training.later(training.times.gradient(factor), self._push, worker)

    def _push(self, event: Event) -> None:
        worker, wiring = cast("int", event.value), self._training.wiring
        self._pushed[worker] = self._training.now
        self._step[worker] += 1
        self._exchange.push(worker, wiring.gradient, wiring.update, self.begin)

    def _applied(self, worker: int, staleness: float) -> None:
        step, began, pushed = self._step[worker] - 1, self._began[worker], self._pushed[worker]
        self._training.record(worker, "compute", step, began, pushed, staleness=staleness)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    assert training.servers is not None  # noqa: S101 - checked before
    run = Asynchronous(training, training.servers)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="asynchronous",
    description="workers push to sharded servers and pull back, each at its own pace",
    start=start,
    staleness="updates",
    servers=True,
    options=("servers",),
    source="Dean et al. 2012; Li et al. 2014",
    aliases=("async", "asgd", "downpour", "parameter-server"),
)
