"""Stale-synchronous: a worker may lead the slowest one by at most s steps; beyond that it waits.

Workers push to sharded servers as in the asynchronous scheme. With c steps done a worker begins the next one
only if the slowest worker has done at least c - s (Ho et al. 2013, More Effective Distributed ML via a Stale
Synchronous Parallel Parameter Server, section 2). s = 0 is a barrier. The staleness of a gradient is the
number of whole steps of the slowest worker that it was computed without.

Exponential step times, two workers and free exchange make the lead a random walk between -(s+1) and s+1 whose
states are equally likely, so the throughput is (2s+2)/(2s+3) of that without a bound.
"""

from typing import cast

from simpy import Event

from simdl.synchrony.exchange import Pull, Servers
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class StaleSynchronous:
    """The run of one training."""

    def __init__(self, training: Training, servers: Servers) -> None:
        self._training = training
        self._servers = servers
        workers = training.setting.workers
        self._done = [0] * workers
        self._at = {0: workers}  # workers by steps done
        self._slowest = 0
        self._stopped: dict[int, list[int]] = {}
        self._began = [0.0] * workers
        self._pushed = [0.0] * workers
        self._left = [0] * workers
        self._last = [0.0] * workers
        self._lead = [0] * workers

    def begin(self, worker: int) -> None:
        """Compute the next gradient of a worker whose parameters have arrived."""
        training, step = self._training, self._done[worker]
        if step:
            training.waited += training.now - self._pushed[worker]
            training.record(worker, "exchange", step - 1, self._pushed[worker])
        self._began[worker] = training.now
        factor = training.draws.factor(worker, step)
        training.later(training.times.gradient(factor), self._push, worker)

    def _push(self, event: Event) -> None:
        training, worker = self._training, cast("int", event.value)
        training.record(
            worker, "compute", self._done[worker], self._began[worker], staleness=self._lead[worker]
        )
        self._pushed[worker] = training.now
        self._left[worker] = self._servers.count
        self._servers.push(worker, training.wiring.gradient, training.wiring.update, self._arrive)

    def _arrive(self, worker: int, _server: int, applied: float) -> None:
        self._last[worker] = max(self._last[worker], applied)
        self._left[worker] -= 1
        if not self._left[worker]:
            training = self._training
            training.later(self._last[worker] - training.now, self._applied, worker)

    def _applied(self, event: Event) -> None:
        """All servers have applied a worker's gradient: its step is done."""
        worker = cast("int", event.value)
        self._training.use(float(self._lead[worker]))
        done = self._done[worker]
        self._at[done] -= 1
        self._done[worker] = done + 1
        self._at[done + 1] = self._at.get(done + 1, 0) + 1
        self._stopped.setdefault(done + 1, []).append(worker)
        while not self._at[self._slowest]:
            self._slowest += 1
        self._release()

    def _release(self) -> None:
        """Let all workers read that may go on."""
        last = self._slowest + self._training.setting.bound
        for step in sorted(step for step in self._stopped if step <= last):
            for worker in self._stopped.pop(step):
                self._lead[worker] = step - self._slowest
                pull = Pull(worker, self._training.wiring.parameters, self._servers.count, self.begin)
                for turn in range(self._servers.count):
                    self._servers.answer(pull, (worker + turn) % self._servers.count, self._training.now)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    assert training.servers is not None  # noqa: S101 - checked before
    run = StaleSynchronous(training, training.servers)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="stale-synchronous",
    description="workers lead the slowest one by at most so many steps (--bound)",
    start=start,
    staleness="steps",
    servers=True,
    options=("servers", "bound"),
    source="Ho et al. 2013",
    aliases=("ssp", "stale", "bounded", "stale-sync"),
)
