"""Long trainings as events: failures at random, work lost since the last checkpoint, restarts, spare nodes.

Between two failures nothing is random, so what a stretch keeps is counted at once; failures, repairs and
waiting for a spare node are events of SimPy. The next failure does not depend on how long ago the last one
was (exponential).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from simpy import Container, Environment, Event

from simdl.errors import SimdlError
from simdl.reliability.failures import Failures

STRETCHES = 4000
"""Failures of one simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Where the time of a long training goes; the shares add up to 1.

    Attributes:
        interval: [s] of training between checkpoints.
        goodput: share that is training kept.
        checkpoints: share spent writing checkpoints that were completed.
        lost: share of work, or of checkpoints begun, that failures undid.
        restarts: share of restarts.
        waiting: share of waiting for a node.
        failures: simulated.
        duration: [s] simulated.
    """

    interval: float
    goodput: float
    checkpoints: float
    lost: float
    restarts: float
    waiting: float
    failures: int
    duration: float

    @property
    def waste(self) -> float:
        """Share of the time that is not training kept."""
        return 1 - self.goodput


def simulate_goodput(
    interval: float, failures: Failures, *, mtbf: float, seed: int = 0, stretches: int = STRETCHES
) -> Goodput:
    """Simulate a training up to some number of failures.

    Args:
        interval: [s] of training between checkpoints.
        failures: what it meets.
        mtbf: [s] between failures of anything.
        seed: of the failures; equal seeds give equal failures whatever the interval.
        stretches: failures.

    Raises:
        SimdlError: the interval is not above 0.
    """
    if not interval > 0:
        raise SimdlError(f"interval: found {interval} s; expected above 0")
    if mtbf == inf:
        cycle = interval + failures.checkpoint
        share = 1.0 if interval == inf else interval / cycle
        return Goodput(
            interval=interval,
            goodput=share,
            checkpoints=1 - share,
            lost=0.0,
            restarts=0.0,
            waiting=0.0,
            failures=0,
            duration=cycle,
        )
    training = _Training(interval, failures, mtbf, seed)
    training.environment.run(until=training.environment.process(training.run(stretches)))
    return training.goodput(stretches)


class _Training:
    """One simulated training."""

    def __init__(self, interval: float, failures: Failures, mtbf: float, seed: int) -> None:
        self.environment = Environment()
        self._interval = interval
        self._failures = failures
        self._mtbf = mtbf
        self._random = Random(f"{seed}/failures")  # noqa: S311 - a simulation
        self._kept = self._written = self._lost = self._restarts = self._waited = 0.0
        spares = failures.spares
        self._spares = None if spares is None else Container(self.environment, init=spares)

    def run(self, stretches: int) -> Generator[Event, None, None]:
        """Train from failure to failure."""
        for number in range(stretches):
            gap = self._random.expovariate(1 / self._mtbf)
            self._stretch(gap, self._failures.restart if number else 0.0)
            yield self.environment.timeout(gap)
            if self._spares is not None:
                self.environment.process(self._repair(self._spares))
                begin = self.environment.now
                yield self._spares.get(1)
                self._waited += self.environment.now - begin

    def _repair(self, spares: Container) -> Generator[Event, None, None]:
        yield self.environment.timeout(self._failures.repair)
        yield spares.put(1)

    def _stretch(self, gap: float, restart: float) -> None:
        """What the seconds between two failures were spent on."""
        restarting = min(gap, restart)
        cycle = self._interval + self._failures.checkpoint
        cycles, rest = divmod(gap - restarting, cycle)
        self._restarts += restarting
        self._kept += cycles * self._interval
        self._written += cycles * self._failures.checkpoint
        self._lost += rest

    def goodput(self, stretches: int) -> Goodput:
        """Shares of all seconds."""
        total = float(self.environment.now)
        return Goodput(
            interval=self._interval,
            goodput=self._kept / total,
            checkpoints=self._written / total,
            lost=self._lost / total,
            restarts=self._restarts / total,
            waiting=self._waited / total,
            failures=stretches,
            duration=total,
        )


def simulate_intervals(
    intervals: Sequence[float], failures: Failures, *, mtbf: float, seed: int = 0, stretches: int = STRETCHES
) -> tuple[Goodput, ...]:
    """The same failures with every interval."""
    return tuple(
        simulate_goodput(each, failures, mtbf=mtbf, seed=seed, stretches=stretches) for each in intervals
    )
