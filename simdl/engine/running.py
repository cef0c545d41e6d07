"""Running: a task between its start and its end, whose speed may change.

SimPy cannot take an event back. Every running task therefore names the event that is to end it, and an event
ends only those tasks that still name it.
"""

from collections.abc import Callable, Sequence

from simpy import Environment, Event, Timeout


class Running:
    """A task that runs and may change its speed.

    Attributes:
        index: of the task.
        action: of the task.
        ranks: indices of the classes that it holds.
        remaining: [s] alone, at ``since``.
        since: [s] from step start.
        speed: [s] alone per second.
        factor: of the speed of work, by what its messages get of their channels.
        event: that is to end it; None while it waits for a speed.
    """

    __slots__ = ("action", "event", "factor", "index", "ranks", "remaining", "since", "speed")

    def __init__(self, index: int, action: int, ranks: tuple[int, ...], remaining: float, now: float) -> None:
        self.index = index
        self.action = action
        self.ranks = ranks
        self.remaining = remaining
        self.since = now
        self.speed = 0.0
        self.factor = 1.0
        self.event: Event | None = None

    def change(self, speed: float, now: float) -> None:
        """Go on at another speed; no event ends the task any more."""
        self.remaining = max(0.0, self.remaining - self.speed * (now - self.since))
        self.since = now
        self.speed = speed
        self.event = None

    @property
    def finish(self) -> float:
        """[s] from step start, at this speed."""
        return self.since + self.remaining / self.speed


class Alarm:
    """Sets the events that end running tasks."""

    def __init__(self, environment: Environment, ring: Callable[[Event], None]) -> None:
        self._environment = environment
        self._ring = ring

    def set(self, tasks: Sequence[Running], now: float) -> None:
        """End tasks together that all finish at the same time."""
        first = tasks[0]
        delay = first.remaining / first.speed if first.since == now else max(0.0, first.finish - now)
        event = Timeout(self._environment, delay, tasks)
        event.callbacks.append(self._ring)
        for task in tasks:
            task.event = event
