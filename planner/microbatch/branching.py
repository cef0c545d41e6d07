"""Dividing a workspace among passes with very many configurations: branch and bound on convex hulls.

Where each pass takes mixtures of its configurations, the best division goes along the lower convex hulls of
their times over their workspaces, by falling gain per byte until the limit is reached (the linear relaxation
of the multiple-choice knapsack; Kellerer, Pferschy, Pisinger, "Knapsack Problems", 2004, chapter 11). At most
one pass is then left between two of its configurations: with k of n equal passes beyond the lower of them,
either at most k are in a better division, or at least k + 1. A solver of integer programmes needs a column
for each configuration and takes minutes for some ten thousand of them.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
GAP = 1e-6
"""Relative distance from the bound at which the search stops."""
NODES = 3_000
"""Branchings after which it settles for the best division so far."""
FILLED = 16
"""Of so many subsets one has what is left of its workspace handed out, which takes as long as all else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Front:
    """Configurations to choose from: ``times`` falling [s], ``spaces`` rising [bytes]."""

    times: Vector
    spaces: Vector


@dataclass(frozen=True, slots=True)
class _Part:
    """``count`` equal passes that may take configurations ``low`` to ``high`` of a front."""

    front: int
    low: int
    high: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hull:
    """Corners of a front's lower hull, what each saves and takes beyond the one before; the first's."""

    corners: Indices
    saved: Vector
    more: Vector
    space: float
    time: float


Taken = list[tuple[_Part, int, int]]
"""Part, configuration and passes of a division."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A subset of all divisions: its parts, the one that is cut in two, and where."""

    parts: tuple[_Part, ...]
    cut: int
    last: int
    beyond: int

    def halves(self) -> Iterator[tuple[_Part, ...]]:
        """At most ``beyond`` passes of the part beyond configuration ``last``; at least one more."""
        rest = (*self.parts[: self.cut], *self.parts[self.cut + 1 :])
        own = self.parts[self.cut]
        free = own.count - self.beyond
        yield (*rest, *_some(own, own.low, own.high, self.beyond), *_some(own, own.low, self.last, free))
        yield (
            *rest,
            *_some(own, self.last + 1, own.high, self.beyond + 1),
            *_some(own, own.low, own.high, free - 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Branched:
    """A division: by front, (configuration, passes); its [s] and the [s] that none undercuts."""

    chosen: tuple[tuple[tuple[int, int], ...], ...]
    time: float
    bound: float


def branch_and_bound(fronts: Sequence[Front], counts: Sequence[int], limit: float) -> Branched:
    """A division of least time to :data:`GAP`, or the best of :data:`NODES` branchings.

    Args:
        fronts: at least one configuration each; the least workspaces of all passes are within the limit.
        counts: [fronts] passes that choose from each.
        limit: [bytes] of all together.
    """
    search = _Search(fronts, limit)
    root = tuple(
        _Part(n, 0, len(f.times) - 1, c) for n, (f, c) in enumerate(zip(fronts, counts, strict=True))
    )
    search.look_at(root)
    for _ in range(NODES):
        if not search.open or search.bound >= search.time * (1 - GAP):
            break
        for half in heapq.heappop(search.open)[2].halves():
            search.look_at(half)
    return search.answer()


def _some(part: _Part, low: int, high: int, count: int) -> tuple[_Part, ...]:
    return (_Part(part.front, low, high, count),) if count else ()


class _Search:
    """Subsets that may hold a better division, the best one so far, and hulls that were drawn."""

    def __init__(self, fronts: Sequence[Front], limit: float) -> None:
        self.fronts, self.limit = fronts, limit
        self.open: list[tuple[float, int, _Node]] = []
        self.time = inf
        self._best: Taken = []
        self._left_out = inf
        self._hulls: dict[tuple[int, int, int], _Hull] = {}
        self._looked = 0

    @property
    def bound(self) -> float:
        """[s] that no division undercuts."""
        return min(self.time, self._left_out, *(bound for bound, _, _ in self.open[:1]))

    def answer(self) -> Branched:
        chosen: list[list[tuple[int, int]]] = [[] for _ in self.fronts]
        for part, configuration, passes in self._best:
            chosen[part.front].append((configuration, passes))
        return Branched(chosen=tuple(map(tuple, chosen)), time=self.time, bound=self.bound)

    def look_at(self, parts: tuple[_Part, ...]) -> None:
        """Bound a subset, try a division of it, and keep it if it may hold a better one."""
        hulls = [self._hull(part) for part in parts]
        counts = np.array([part.count for part in parts])
        room = self.limit - float(counts @ [hull.space for hull in hulls])
        if room < 0:
            return
        owner = np.repeat(np.arange(len(parts)), [len(hull.more) for hull in hulls])
        saved, more = (np.concatenate([getattr(hull, name) for hull in hulls]) for name in ("saved", "more"))
        order = np.argsort(-saved / more, kind="stable")
        filled = np.cumsum((more * counts[owner])[order])
        whole = int(np.searchsorted(filled, room, side="right"))
        taken, left = order[:whole], room - (filled[whole - 1] if whole else 0.0)
        time = float(counts @ [hull.time for hull in hulls] - (saved * counts[owner])[taken].sum())
        places = np.bincount(owner[taken], minlength=len(parts))
        choice = [
            (part, int(hull.corners[place]), part.count)
            for part, hull, place in zip(parts, hulls, places, strict=True)
        ]
        if whole == len(order):
            self._offer(choice, time)
            return
        at = int(order[whole])
        bound = time - left * float(saved[at] / more[at])
        if bound >= self.time * (1 - GAP):
            self._left_out = min(self._left_out, bound)
            return
        index, beyond = int(owner[at]), int(left // more[at])
        part, last, _ = choice[index]
        following = int(hulls[index].corners[places[index] + 1])
        choice[index : index + 1] = [(part, last, part.count - beyond), (part, following, beyond)]
        time -= beyond * float(saved[at])
        if self._looked % FILLED == 0:
            choice, time = self._filled(choice, left - beyond * float(more[at]), time)
        self._offer(choice, time)
        self._looked += 1
        heapq.heappush(self.open, (bound, self._looked, _Node(parts, index, last, beyond)))

    def _offer(self, choice: Taken, time: float) -> None:
        if time < self.time:
            self.time, self._best = time, [each for each in choice if each[2]]

    def _filled(self, choice: Taken, left: float, time: float) -> tuple[Taken, float]:
        """The choice after what is left has gone, one pass at a time, to whoever gains most per byte."""
        choice = [each for each in choice if each[2]]
        fronts = [self.fronts[part.front] for part, _, _ in choice]
        larger = [slice(last + 1, part.high + 1) for part, last, _ in choice]
        owner = np.repeat(np.arange(len(choice)), [each.stop - each.start for each in larger])
        lasts = [last for _, last, _ in choice]
        gain, extra = (
            np.concatenate(
                [
                    abs(getattr(front, name)[some] - getattr(front, name)[last])
                    for front, some, last in zip(fronts, larger, lasts, strict=True)
                ]
            )
            for name in ("times", "spaces")
        )
        begins = np.searchsorted(owner, np.arange(len(choice)))
        while len(owner):
            worth = np.where(extra <= left, gain / extra, 0.0)
            best = int(worth.argmax())
            if worth[best] <= 0:
                break
            index = int(owner[best])
            part, last, passes = choice[index]
            choice[index] = (part, last, passes - 1)
            choice.append((part, last + 1 + best - int(begins[index]), 1))
            left, time = left - float(extra[best]), time - float(gain[best])
            if passes == 1:
                extra[owner == index] = inf
        return choice, time

    def _hull(self, part: _Part) -> _Hull:
        key = part.front, part.low, part.high
        if key not in self._hulls:
            self._hulls[key] = _lower_hull(self.fronts[part.front], part.low, part.high)
        return self._hulls[key]


def _lower_hull(front: Front, low: int, high: int) -> _Hull:
    corners: list[int] = []
    for each in range(low, high + 1):
        while len(corners) > 1 and not _bends(front, corners[-2], corners[-1], each):
            corners.pop()
        corners.append(each)
    spaces, times = front.spaces[corners], front.times[corners]
    return _Hull(
        corners=np.array(corners),
        saved=-np.diff(times),
        more=np.diff(spaces),
        space=float(spaces[0]),
        time=float(times[0]),
    )


def _bends(front: Front, first: int, middle: int, last: int) -> bool:
    """Whether the way to the middle saves more per byte than the way on."""
    w, t = front.spaces, front.times
    before = (t[first] - t[middle]) * (w[last] - w[middle])
    return bool(before > (t[middle] - t[last]) * (w[middle] - w[first]))
