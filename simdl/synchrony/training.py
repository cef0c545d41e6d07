"""Training: the state of a run that schemes share: clock, draws, ports, servers, and what has happened.

A scheme starts workers and reacts to events; a training knows nothing of schemes. It ends when as many
gradients have been used as the workers would make in the steps that were asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simpy import Environment, Event, Timeout

from simdl.engine.station import Station
from simdl.synchrony.draws import Draws
from simdl.synchrony.exchange import Ports, Servers, Wiring
from simdl.synchrony.step_times import StepTimes


class Span(NamedTuple):
    """What a worker did, from when to when."""

    worker: int
    name: str
    step: int
    start: float
    end: float
    staleness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Numbers of a training that only some schemes use.

    Attributes:
        workers: that compute.
        needed: gradients of one update where an update waits for several.
        steps: of each worker on average.
        servers: that share the parameters.
        bound: steps by which the fastest worker may lead the slowest.
        period: steps of a worker between two exchanges.
        seed: of the draws.
    """

    workers: int
    needed: int
    steps: int
    servers: int = 0
    bound: int = 0
    period: int = 1
    seed: int = 0


class Training:
    """One run.

    Attributes:
        environment: clock and events.
        setting, times, wiring: what is run.
        draws: slow-downs.
        ports: of the workers.
        servers: None where a scheme has none.
        used: gradients that went into an update, or local steps that were kept.
        dropped: gradients that came too late.
        judged: used gradients that have a staleness.
        stale: sum of their staleness.
        stalest: largest staleness.
        waited: [s] that workers waited, all together.
        end: [s] when the last gradient that counts was used.
        spans: what each recorded worker did.
    """

    def __init__(
        self, setting: Setting, times: StepTimes, wiring: Wiring, draws: Draws, *, recorded: int = 0
    ) -> None:
        self.environment = Environment()
        self.setting = setting
        self.times = times
        self.wiring = wiring
        self.draws = draws
        self.ports = Ports(wiring, setting.workers)
        self.servers = Servers(self.environment, self.ports, setting.servers) if setting.servers else None
        self.used = 0
        self.dropped = 0
        self.judged = 0
        self.stale = 0.0
        self.stalest = 0.0
        self.waited = 0.0
        self.end = 0.0
        self.spans: list[Span] = []
        self._recorded = recorded
        self._wanted = setting.needed * setting.steps
        self._finished = self.environment.event()

    @property
    def now(self) -> float:
        """[s] from the start."""
        return float(self.environment.now)

    @property
    def over(self) -> bool:
        """Whether all gradients that were asked for have been used."""
        return self.used >= self._wanted

    def later(self, seconds: float, callback: Callable[[Event], None], value: object = None) -> None:
        """Call back after some seconds, with the value in the event."""
        Timeout(self.environment, seconds, value).callbacks.append(callback)

    def use(self, staleness: float | None, count: int = 1, at: float | None = None) -> None:
        """Count gradients that go into the parameters.

        Args:
            staleness: of each, or None where there is none to speak of.
            count: gradients.
            at: [s] when they do; now by default.
        """
        when = self.now if at is None else at
        if self.used >= self._wanted and when > self.end:
            return
        self.used += count
        if staleness is not None:
            self.judged += count
            self.stale += staleness * count
            self.stalest = max(self.stalest, staleness)
        self.end = max(self.end, when)
        if self.used >= self._wanted and not self._finished.triggered:
            self._finished.succeed()

    def record(
        self,
        worker: int,
        name: str,
        step: int,
        start: float,
        end: float | None = None,
        *,
        staleness: float = 0.0,
    ) -> None:
        """Remember what a worker did until ``end`` [s], now by default; staleness may be known later only."""
        if worker < self._recorded:
            until = self.now if end is None else end
            self.spans.append(Span(worker, name, step, start, until, staleness))

    def run(self) -> None:
        """Serve events until the training is over."""
        self.environment.run(until=self._finished)

    def stations(self) -> Sequence[Station]:
        """All ports and memories, workers' first."""
        servers = self.servers
        own = [*self.ports.outward, *self.ports.inward]
        return own if servers is None else [*own, *servers.inward, *servers.memory, *servers.outward]
