"""Devices: the speed of work beside transfers that take a share of the same device.

Work runs at what the footprints of the transfers that run at that moment on the same class leave, at 0 if
they leave nothing, and slower where its own messages share their channels. Work of several classes runs at
the speed of the slowest.
"""

from collections.abc import Sequence
from math import fsum

from simdl.engine.running import Alarm, Running
from simdl.program.program import RankClass


class Devices:
    """Work and footprints on every class while a program runs."""

    def __init__(self, classes: Sequence[RankClass], footprints: Sequence[float], alarm: Alarm) -> None:
        """Footprints are those of the actions."""
        self._speeds = tuple(each.speed for each in classes)
        self._footprints = footprints
        self._alarm = alarm
        self._works: list[dict[Running, None]] = [{} for _ in classes]
        self._beside: list[dict[Running, float]] = [{} for _ in classes]
        self._left = [1.0] * len(classes)
        self.changed: set[int] = set()  # classes whose work has to get another speed

    def start(self, work: Running, now: float) -> None:
        """Run work."""
        for rank in work.ranks:
            self._works[rank][work] = None
        work.speed = self._speed(work)
        if work.speed > 0.0:
            self._alarm.set((work,), now)

    def end(self, work: Running) -> None:
        """Forget work."""
        for rank in work.ranks:
            del self._works[rank][work]

    def occupy(self, transfer: Running) -> None:
        """Take the footprint of a transfer off the devices of its classes."""
        footprint = self._footprints[transfer.action]
        for rank in transfer.ranks:
            self._beside[rank][transfer] = footprint
            self._rate(rank)

    def leave(self, transfer: Running) -> None:
        """Give the footprint of a transfer back."""
        for rank in transfer.ranks:
            del self._beside[rank][transfer]
            self._rate(rank)

    def settle(self, now: float) -> None:
        """Give work of changed classes its speed."""
        works = {work for rank in self.changed for work in self._works[rank]}
        self.changed.clear()
        for work in sorted(works, key=_index):
            speed = self._speed(work)
            if speed != work.speed:
                work.change(speed, now)
                if speed > 0.0:
                    self._alarm.set((work,), now)

    def slow(self, work: Running, factor: float) -> None:
        """Let work run at a share of the speed that its devices leave it, from the next settlement on."""
        work.factor = factor
        self.changed.update(work.ranks)

    def _rate(self, rank: int) -> None:
        # An exact sum: it does not depend on the order in which the transfers started.
        beside = self._beside[rank]
        self._left[rank] = 1.0 - min(1.0, fsum(beside.values())) if beside else 1.0
        if self._works[rank]:
            self.changed.add(rank)

    def _speed(self, work: Running) -> float:
        """Of work [s] alone per second: alone it already runs at the speed of its slowest class."""
        ranks = work.ranks
        if len(ranks) == 1:
            return self._left[ranks[0]] * work.factor
        slowest = min(self._speeds[rank] for rank in ranks)
        return min(self._speeds[rank] * self._left[rank] for rank in ranks) / slowest * work.factor


def _index(task: Running) -> int:
    return task.index
