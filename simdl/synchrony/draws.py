"""Draws: the slow-down of every worker in every step, the same for all schemes that share a seed.

A worker is one replica; its devices run in lock-step, so the slowest of them counts. Every worker has a
generator of its own, so that its k-th step is equally slow whatever the others do.
"""

from collections.abc import Sequence
from random import Random

from simdl.synchrony.slowdown import Slowdown


class Draws:
    """Slow-downs worker by worker.

    Args:
        slowdowns: that multiply.
        devices: of one worker.
        node_devices: of one node of the cluster; worker w begins at device w times ``devices``.
        seed: of the generators.
    """

    def __init__(self, slowdowns: Sequence[Slowdown], *, devices: int, node_devices: int, seed: int) -> None:
        self._slowdowns = tuple(slowdowns)
        self._devices = devices
        self._node_devices = node_devices
        self._seed = seed
        self._random: dict[int, Random] = {}
        self._fixed: dict[int, list[tuple[float, tuple[Slowdown, ...]]]] = {}
        self._drawn: dict[int, list[float]] = {}

    def factor(self, worker: int, step: int) -> float:
        """By how much a step of a worker takes longer."""
        if not self._slowdowns:
            return 1.0
        drawn = self._drawn.setdefault(worker, [])
        while len(drawn) <= step:
            drawn.append(self._draw(worker))
        return drawn[step]

    def _draw(self, worker: int) -> float:
        if worker not in self._random:
            self._random[worker] = Random(f"{self._seed}/{worker}")  # noqa: S311 - a simulation
            self._fixed[worker] = [self._device(worker, index) for index in range(self._devices)]
        random = self._random[worker]
        slowest = 0.0
        for fixed, moving in self._fixed[worker]:
            factor = fixed
            for each in moving:
                factor *= each.quantile(_share(random))
            slowest = max(slowest, factor)
        return slowest

    def _device(self, worker: int, index: int) -> tuple[float, tuple[Slowdown, ...]]:
        """The factor that a device always has, and the distributions that it draws from in every step."""
        node = (worker * self._devices + index) // self._node_devices
        fixed, moving = 1.0, []
        for each in self._slowdowns:
            if not each.holds_for(node):
                continue
            if each.per == "device":
                fixed *= each.quantile(_share(self._random[worker]))
            elif each.kind == "constant":
                fixed *= each.values[0]
            else:
                moving.append(each)
        return fixed, tuple(moving)


def _share(random: Random) -> float:
    """Uniform in (0, 1)."""
    share = random.random()
    return share if share > 0.0 else 0.5
