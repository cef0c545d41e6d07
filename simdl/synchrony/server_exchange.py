"""Exchanges of workers with sharded servers, each of which applies what arrives and answers, in that order.

The staleness of an exchange is the number of others that a server applied since the worker's last one, mean
over the servers.
"""

from collections.abc import Callable

from simdl.synchrony.exchange import Pull, Servers
from simdl.synchrony.training import Training

Applied = Callable[[int, float], None]  # worker, staleness


class ServerExchange:
    """What servers and workers know of each other in one training."""

    def __init__(self, training: Training, servers: Servers, applied: Applied) -> None:
        workers, count = training.setting.workers, servers.count
        self._training = training
        self._servers = servers
        self._applied = applied
        self._version = [0] * count
        self._read = [[0] * count for _ in range(workers)]
        self._left = [0] * workers
        self._last = [0.0] * workers
        self._stale = [0] * workers
        self._pull: list[Pull | None] = [None] * workers

    def push(self, worker: int, nbytes: float, work: float, pulled: Callable[[int], None]) -> None:
        """Send what every server adds to its part; ``pulled`` is called when all have answered.

        Args:
            worker: whose.
            nbytes: [bytes] to all servers together.
            work: [s] in which one server alone would apply them.
            pulled: takes the worker.
        """
        servers = self._servers
        self._left[worker], self._stale[worker] = servers.count, 0
        self._pull[worker] = Pull(worker, self._training.wiring.parameters, servers.count, pulled)
        servers.push(worker, nbytes, work, self._arrive)

    def _arrive(self, worker: int, server: int, applied: float) -> None:
        read, version = self._read[worker], self._version
        self._stale[worker] += version[server] - read[server]
        version[server] += 1
        read[server] = version[server]
        self._last[worker] = max(self._last[worker], applied)
        self._left[worker] -= 1
        if not self._left[worker]:
            stale = self._stale[worker] / self._servers.count
            self._applied(worker, stale)
            self._training.use(stale, at=self._last[worker])
        pull = self._pull[worker]
        assert pull is not None  # noqa: S101 - made when its message was sent
        self._servers.answer(pull, server, applied)
