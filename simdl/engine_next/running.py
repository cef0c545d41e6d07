"""Running: a task between its start and its end, whose speed may change.

SimPy cannot take an event back. Every running task therefore names the event that is to end it, and an event
ends only those tasks that still name it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simpy import Environment, Event, Timeout

from simdl.engine_next.rates import Shares


@dataclass(slots=True, eq=False, kw_only=True)
class Running:
    """A task that runs and may change its speed.

    Attributes:
        index: of the task.
        ranks: indices of the classes that it holds.
        remaining: [s] alone, at ``since``.
        since: [s] from step start.
        speed: [s] alone per second.
        event: that is to end it; None while it waits for a speed.
        shares: of the channels that can hold it back.
        rate: [bytes/s] alone, the largest over its channels.
        footprint: that it takes of its classes.
    """

    index: int
    ranks: tuple[int, ...]
    remaining: float
    since: float
    speed: float = 0.0
    event: Event | None = None
    shares: Shares = ()
    rate: float = 0.0
    footprint: float = 0.0

    def change(self, now: float, speed: float) -> None:
        """Go on at another speed; no event ends the task any more."""
        self.remaining = max(0.0, self.remaining - self.speed * (now - self.since))
        self.since, self.speed, self.event = now, speed, None

    @property
    def finish(self) -> float:
        """[s] from step start, at this speed."""
        return self.since + self.remaining / self.speed


class Alarm:
    """Sets the events that end running tasks."""

    def __init__(self, environment: Environment, ring: Callable[[Event], None]) -> None:
        self._environment = environment
        self._ring = ring

    @property
    def now(self) -> float:
        """[s] from step start."""
        return self._environment.now

    def set(self, tasks: Sequence[Running]) -> None:
        """End tasks together that all finish at the same time."""
        first = tasks[0]
        delay = first.remaining / first.speed if first.since == self.now else max(0.0, first.finish - self.now)
        event = Timeout(self._environment, delay, tasks)
        event.callbacks.append(self._ring)
        for task in tasks:
            task.event = event
