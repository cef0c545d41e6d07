"""The order in which pieces of work are handed out: pieces that share prices go to the same worker.

Prices of kernels are remembered by the process that found them, so a worker stays with a group of pieces,
such as all batches of one model on one device, and then takes the largest group that nobody works on; only
where none is left does it join another worker's group.
"""

from collections import deque
from collections.abc import Sequence
from threading import Lock


class Agenda:
    """Places of pieces not handed out yet, by group; several threads may take from it.

    Args:
        groups: of each piece, in the order of the pieces.
    """

    def __init__(self, groups: Sequence[str]) -> None:
        self._waiting: dict[str, deque[int]] = {}
        for place, group in enumerate(groups):
            self._waiting.setdefault(group, deque()).append(place)
        self._held: dict[str, int] = dict.fromkeys(self._waiting, 0)
        self._lock = Lock()

    def take(self, group: str | None) -> tuple[int, str] | None:
        """A piece and its group for a worker that has worked on a group (None at its start).

        Returns:
            None where nothing is left.
        """
        with self._lock:
            chosen = group if group is not None and self._waiting.get(group) else self._next()
            if group is not None and chosen != group:
                self._held[group] -= 1
            if chosen is None:
                return None
            if chosen != group:
                self._held[chosen] += 1
            return self._waiting[chosen].popleft(), chosen

    def close(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.clear()

    def _next(self) -> str | None:
        left = [group for group, waiting in self._waiting.items() if waiting]
        return max(left, key=lambda group: (-self._held[group], len(self._waiting[group])), default=None)


def in_order(groups: Sequence[str]) -> list[int]:
    """Places of all pieces, group after group."""
    agenda, order = Agenda(groups), []
    taken = agenda.take(None)
    while taken is not None:
        order.append(taken[0])
        taken = agenda.take(taken[1])
    return order
