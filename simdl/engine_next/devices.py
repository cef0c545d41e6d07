"""Devices: the speed of work beside transfers that take a share of the same device.

Work runs at what the footprints of the transfers that run at that moment on the same class leave, at 0 if they
leave nothing. Work of several classes runs at the speed of the slowest.
"""

from math import fsum

from simdl.engine_next.running import Alarm, Running
from simdl.program.program import RankClass


class Devices:
    """Work and footprints on every class while a program runs."""

    def __init__(self, classes: tuple[RankClass, ...], alarm: Alarm) -> None:
        self._speeds = tuple(each.speed for each in classes)
        self._alarm = alarm
        self._works: list[dict[int, Running]] = [{} for _ in classes]
        self._footprints: list[dict[int, float]] = [{} for _ in classes]
        self._left = [1.0] * len(classes)
        self.changed: set[int] = set()  # classes whose work has to get another speed

    def start(self, work: Running) -> None:
        """Run work."""
        for rank in work.ranks:
            self._works[rank][work.index] = work
        work.speed = self._speed(work)
        if work.speed > 0.0:
            self._alarm.set((work,))

    def end(self, work: Running) -> None:
        """Forget work."""
        for rank in work.ranks:
            del self._works[rank][work.index]

    def occupy(self, transfer: Running) -> None:
        """Take the footprint of a transfer off the devices of its classes."""
        for rank in transfer.ranks:
            self._footprints[rank][transfer.index] = transfer.footprint
            self._rate(rank)

    def leave(self, transfer: Running) -> None:
        """Give the footprint of a transfer back."""
        for rank in transfer.ranks:
            del self._footprints[rank][transfer.index]
            self._rate(rank)

    def settle(self) -> None:
        """Give work of changed classes its speed."""
        works = {index: work for rank in self.changed for index, work in self._works[rank].items()}
        self.changed.clear()
        for index in sorted(works):
            work = works[index]
            speed = self._speed(work)
            if speed != work.speed:
                work.change(self._alarm.now, speed)
                if speed > 0.0:
                    self._alarm.set((work,))

    def _rate(self, rank: int) -> None:
        # An exact sum: it does not depend on the order in which the transfers started.
        self._left[rank] = 1.0 - min(1.0, fsum(self._footprints[rank].values()))
        if self._works[rank]:
            self.changed.add(rank)

    def _speed(self, work: Running) -> float:
        """Of work [s] alone per second: alone it already runs at the speed of its slowest class."""
        if len(work.ranks) == 1:
            return self._left[work.ranks[0]]
        slowest = min(self._speeds[rank] for rank in work.ranks)
        return min(self._speeds[rank] * self._left[rank] for rank in work.ranks) / slowest
