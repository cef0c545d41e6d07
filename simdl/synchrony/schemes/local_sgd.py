"""Local SGD: workers train copies of their own for ``period`` steps and then all average their parameters.

The average is an all-reduce of parameters that nothing hides (Stich 2018, arXiv:1805.09767). The staleness of
a gradient is the number of steps of its worker since the last average.
"""

from functools import partial
from typing import cast

from simpy import Event

from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


class LocalSgd:
    """The run of one training."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._step = [0] * training.setting.workers
        self._began = [0.0] * training.setting.workers
        self._ready: list[float] = []

    def begin(self, worker: int) -> None:
        """Compute the next step of a worker."""
        training = self._training
        self._began[worker] = training.now
        factor = training.draws.factor(worker, self._step[worker])
        training.later(training.times.alone(factor), self._computed, worker)

    def _computed(self, event: Event) -> None:
        training, worker = self._training, cast("int", event.value)
        period = training.setting.period
        place = self._step[worker] % period
        training.record(worker, "compute", self._step[worker], self._began[worker], staleness=place)
        self._step[worker] += 1
        if place + 1 < period:
            self.begin(worker)
            return
        self._ready.append(training.now)
        if len(self._ready) == training.setting.workers:
            training.waited += sum(training.now - ready for ready in self._ready)
            self._ready.clear()
            training.later(training.wiring.all_average, partial(self._averaged, training.now))

    def _averaged(self, began: float, _event: Event) -> None:
        training, period = self._training, self._training.setting.period
        workers = training.setting.workers
        for place in range(period):
            training.use(float(place), workers)
        for worker in range(workers):
            training.record(worker, "exchange", self._step[worker] - 1, began)
            self.begin(worker)


def start(training: Training) -> None:
    """Begin the first step of all workers."""
    run = LocalSgd(training)
    for worker in range(training.setting.workers):
        run.begin(worker)


SCHEME = Scheme(
    name="local-sgd",
    description="own copies, averaged over all workers every so many steps (--period)",
    start=start,
    staleness="steps",
    options=("period",),
    averages=True,
    source="Stich 2018, arXiv:1805.09767",
    aliases=("local", "periodic-averaging", "post-local"),
)
