"""How much of a sweep is done: rows weighted by what they are expected to take.

A row of one network may take ten times as long as one of another, so a count of rows says little of the time
that is left.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from planner.sweep.grid import Ask
from planner.sweep.row import group_of


class Work:
    """The rows of a run, and the seconds that those done so far took.

    A row that is left is expected to take the mean of those of its network on as many nodes; where there are
    none, of all of its network; of a network that is unknown, what rows of the slowest network take.

    Args:
        asks: the questions of this run.
    """

    def __init__(self, asks: Iterable[Ask]) -> None:
        self._left = Counter(_key(ask) for ask in asks)
        self._took: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, ask: Ask, seconds: float) -> None:
        """Count a row that is done."""
        key = _key(ask)
        self._left[key] -= 1
        self._took[key].append(seconds)

    def share(self) -> float:
        """What is done over all, 0 to 1; 0 while nothing is known."""
        models: dict[str, list[float]] = defaultdict(list)
        for (model, _), seconds in self._took.items():
            models[model] += seconds
        slowest = max(map(_mean, models.values()), default=0.0)
        left = sum(
            count * _mean(self._took.get(key) or models.get(key[0]) or [slowest])
            for key, count in self._left.items()
        )
        done = sum(map(sum, self._took.values()))
        return done / (done + left) if done else 0.0


def _key(ask: Ask) -> tuple[str, str]:
    return ask.options.model, ask.options.cluster.partition(":")[2]


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds)


def in_turns(places: Sequence[int], asks: Sequence[Ask]) -> list[int]:
    """Places in an order in which networks take turns, so that all are met early.

    Groups of rows that share prices stay together; the first of every network comes first.
    """
    turns: dict[str, dict[str, int]] = defaultdict(dict)
    turn = {}
    for place in places:
        own = turns[asks[place].options.model]
        turn[place] = own.setdefault(group_of(asks[place]), len(own))
    return sorted(places, key=turn.__getitem__)
