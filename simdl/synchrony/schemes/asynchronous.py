"""Asynchronous: workers push gradients to sharded servers and go on with what comes back, each at its pace.

Every server applies what arrives in the order of arrival and answers with its part of the parameters (Dean et
al. 2012, Large Scale Distributed Deep Networks, section 4.1; Li et al. 2014). The staleness of a gradient is
the number of others that were applied between the answer that it was computed from and its own application,
mean over the servers.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.exchange import Pull, Servers
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class Asynchronous:
    """The run of one training."""

    def __init__(self, training: Training, servers: Servers) -> None:
        self._training = training
        self._servers = servers
        workers, count = training.setting.workers, servers.count
        self._version = [0] * count
        self._read = [[0] * count for _ in range(workers)]
        self._step = [0] * workers
        self._began = [0.0] * workers
        self._pushed = [0.0] * workers
        self._left = [0] * workers
        self._last = [0.0] * workers
        self._stale = [0] * workers
        self._pull: list[Pull | None] = [None] * workers

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
        training, worker = self._training, cast("int", event.value)
        servers = self._servers
        self._pushed[worker] = training.now
        self._left[worker] = servers.count
        self._stale[worker] = 0
        self._pull[worker] = Pull(worker, training.wiring.parameters, servers.count, self.begin)
        self._step[worker] += 1
        servers.push(worker, training.wiring.gradient, training.wiring.update, self._arrive)

    def _arrive(self, worker: int, server: int, applied: float) -> None:
        """A part is at its server, which applies parts and answers in the order of arrival."""
        read, version = self._read[worker], self._version
        self._stale[worker] += version[server] - read[server]
        version[server] += 1
        read[server] = version[server]
        self._last[worker] = max(self._last[worker], applied)
        self._left[worker] -= 1
        if not self._left[worker]:
            stale = self._stale[worker] / self._servers.count
            step, began, pushed = self._step[worker] - 1, self._began[worker], self._pushed[worker]
            self._training.record(worker, "compute", step, began, pushed, staleness=stale)
            self._training.use(stale, at=self._last[worker])
        pull = self._pull[worker]
        assert pull is not None  # noqa: S101 - made when its message was sent
        self._servers.answer(pull, server, applied)


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
