"""Synchronous: every step all workers wait for the slowest and add up their gradients.

The step is the ordinary one at the speed of the slowest worker. Workers are ready when they have computed;
what is left of the exchange then runs to the end of the step.
"""

from functools import partial
from typing import cast

from simpy import Event

from simdl.synchrony.scheme import Scheme
from simdl.synchrony.training import Training


def start(training: Training) -> None:
    """Begin the first step."""
    begin_step(training, 0, training.setting.needed)


def begin_step(training: Training, step: int, needed: int) -> None:
    """Let all workers compute one step, and update when ``needed`` of them are ready."""
    factors = [training.draws.factor(worker, step) for worker in range(training.setting.workers)]
    began = training.now
    ready: list[int] = []

    def arrive(event: Event) -> None:
        if len(ready) == needed:
            return  # too late
        worker = cast("int", event.value)
        ready.append(worker)
        training.record(worker, "compute", step, began)
        if len(ready) == needed:
            _update(training, step, ready, factors, began)

    for worker, factor in enumerate(factors):
        training.later(training.times.alone(factor), arrive, worker)


def _update(training: Training, step: int, ready: list[int], factors: list[float], began: float) -> None:
    """The last worker that counts is ready: finish the exchange and begin the next step."""
    slowest = max(factors[worker] for worker in ready)
    alone, together = training.times.alone(slowest), training.times.together(slowest)
    for worker in ready:
        training.waited += max(0.0, training.now - began - training.times.alone(factors[worker]))
    late = set(range(len(factors))).difference(ready)
    training.dropped += len(late)
    for worker in late:
        training.record(worker, "dropped", step, began)
    end = partial(_end, training, step, len(ready))
    training.later(max(0.0, together - alone), end, training.now)


def _end(training: Training, step: int, needed: int, event: Event) -> None:
    for worker in range(training.setting.workers):
        training.record(worker, "exchange", step, cast("float", event.value))
    training.use(0.0, needed)
    if not training.over:
        begin_step(training, step + 1, needed)


SCHEME = Scheme(
    name="synchronous",
    description="all workers wait for the slowest in every step",
    start=start,
    staleness="steps",
    own_copies=False,
    collective=True,
    source="Valiant 1990, A Bridging Model for Parallel Computation",
    aliases=("sync", "bsp", "barrier", "bulk-synchronous"),
)
