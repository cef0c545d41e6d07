"""Where the time of each step of a trace went: every instant has one kind.

While kernels that compute run: the kind of the one that started first; otherwise communication, otherwise
copies, otherwise idle, which is also where a CPU only keeps books. So the kinds of a step add up to its
time, as the breakdown of a simulated step does.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path

from planner.kineto.activities import Activities, Activity, find_activities
from planner.kineto.events import load_trace
from planner.kineto.kinds import COMMUNICATION, COPY, IDLE
from planner.kineto.steps import StepWindow, marked_steps, without_warm_up
from simdl.errors import SimdlError

BEHIND = {COMMUNICATION: 1, COPY: 2, IDLE: 3}  # all else comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStep:
    """One step of a trace.

    Attributes:
        number: N of its mark ``ProfilerStep#N``.
        start, end: [s] of the trace: on a device from its first activity to that of the next step.
        kinds: [s] by kind; adds up to ``end - start``.
        activities: what ran, in the order of starts.
    """

    number: int
    start: float
    end: float
    kinds: dict[str, float]
    activities: tuple[Activity, ...]

    @property
    def seconds(self) -> float:
        """[s] that the step took."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTrace:
    """The steps of a trace after the warm-up, and the numbers of those left out."""

    on_device: bool
    steps: tuple[MeasuredStep, ...]
    left_out: tuple[int, ...]


def measure_trace(path: Path) -> MeasuredTrace:
    """Read a trace and divide its steps by kind.

    Raises:
        SimdlError: a broken trace, one without marked steps, or a step in which nothing runs.
    """
    events = load_trace(path)
    marks = marked_steps(path, events)
    activities = find_activities(events)
    steps = tuple(_steps(path, marks, activities))
    kept = {step.number for step in without_warm_up(marks)}
    return MeasuredTrace(
        on_device=activities.on_device,
        steps=tuple(step for step in steps if step.number in kept),
        left_out=tuple(mark.number for mark in marks if mark.number not in kept),
    )


def _steps(path: Path, marks: Sequence[StepWindow], activities: Activities) -> Iterator[MeasuredStep]:
    found: list[list[Activity]] = [[] for _ in marks]
    starts = [mark.start for mark in marks]
    for activity in activities.items:
        place = bisect_right(starts, activity.launched) - 1
        if place >= 0 and activity.launched < marks[place].end:
            found[place].append(activity)
    for place, mark in enumerate(marks):
        if not found[place]:
            raise SimdlError(
                f"{path}: ProfilerStep#{mark.number}: nothing runs in it; expected kernels or CPU operators"
            )
    for place, mark in enumerate(marks):
        start, end = mark.start, mark.end
        if activities.on_device:
            start, end = _device_window(found, place, mark)
        kinds = _divided(found[place], start, end)
        yield MeasuredStep(
            number=mark.number, start=start, end=end, kinds=kinds, activities=tuple(found[place])
        )


def _device_window(found: Sequence[Sequence[Activity]], place: int, mark: StepWindow) -> tuple[float, float]:
    """From the first activity of a step to that of the next; the last step is as long as it is seen to be."""
    start = found[place][0].start
    if place + 1 < len(found):
        return start, max(start, found[place + 1][0].start)
    return start, max(start + mark.end - mark.start, *(activity.end for activity in found[place]))


def _divided(activities: Sequence[Activity], start: float, end: float) -> dict[str, float]:
    """[s] by kind between two times; adds up to what lies between."""
    kinds: dict[str, float] = defaultdict(float)
    for kind, since, until in owners(activities):
        kinds[kind] += max(0.0, min(until, end) - max(since, start))
    kinds[IDLE] += max(0.0, end - start - sum(kinds.values()))
    return dict(sorted(kinds.items(), key=lambda item: -item[1]))


def owners(activities: Sequence[Activity]) -> Iterator[tuple[str, float, float]]:
    """Stretches of time that do not overlap, each with the kind that owns it.

    Args:
        activities: in the order of their starts.
    """
    times = sorted({time for item in activities for time in (item.start, item.end)})
    running: list[tuple[int, float, int]] = []  # rank of the kind, start, place
    place = 0
    for since, until in pairwise(times):
        while place < len(activities) and activities[place].start <= since:
            item = activities[place]
            heappush(running, (BEHIND.get(item.kind, 0), item.start, place))
            place += 1
        while running and activities[running[0][2]].end <= since:
            heappop(running)
        if running:
            yield activities[running[0][2]].kind, since, until
