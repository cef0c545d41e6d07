"""Where the time of each step of a trace went: every instant has one kind.

While kernels that compute run: the kind of the one that started first; otherwise communication, otherwise
copies, otherwise idle, which is also where a CPU only keeps books. So the kinds of a step add up to its
time, as the breakdown of a simulated step does.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path

from planner.kineto.activities import Activities, Activity, find_activities
from planner.kineto.events import load_trace
from planner.kineto.facts import TraceFacts, trace_facts
from planner.kineto.kinds import COMMUNICATION, COPY, IDLE
from planner.kineto.steps import StepWindow, marked_steps, whole_trace, without_warm_up
from simdl.errors import SimdlError

COMPLETE = 0.9
"""Share of the activities of a whole step below which a last step is one that the profiler cut off."""
AFTER_WARM_UP = 0.5
"""The same of the activities of the warm-up, which may run more than steps do."""
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
    """The steps of a trace after the warm-up, and the numbers of those left out.

    Attributes:
        on_device: whether a device runs the activities.
        steps: those that count.
        left_out: warm-up.
        cut_off: the last step, where the profiler stopped within it; None where it did not.
        facts: what the trace says of its run.
    """

    on_device: bool
    steps: tuple[MeasuredStep, ...]
    left_out: tuple[int, ...]
    cut_off: int | None = None
    facts: TraceFacts = field(default_factory=TraceFacts)


def measure_trace(path: Path, *, whole: bool = False) -> MeasuredTrace:
    """Read a trace and divide its steps by kind.

    Args:
        path: of the trace.
        whole: all of it is one step, whatever it marks.

    Raises:
        SimdlError: a broken trace, one without marked steps, or a step in which nothing runs.
    """
    contents = load_trace(path)
    events = contents.events
    marks = whole_trace(events) if whole else marked_steps(path, events)
    activities = find_activities(events)
    found = _by_step(marks, activities)
    cut_off = _is_cut_off(marks, found)
    counted = marks[:-1] if cut_off else marks
    moved = activities.on_device and not whole  # a step of a device is when the device runs it
    steps = tuple(_steps(path, counted, found, on_device=moved))
    kept = {step.number for step in without_warm_up(counted)}
    return MeasuredTrace(
        on_device=activities.on_device,
        steps=tuple(step for step in steps if step.number in kept),
        left_out=tuple(mark.number for mark in counted if mark.number not in kept),
        cut_off=marks[-1].number if cut_off else None,
        facts=trace_facts(contents.about, contents.extents),
    )


def _by_step(marks: Sequence[StepWindow], activities: Activities) -> list[list[Activity]]:
    found: list[list[Activity]] = [[] for _ in marks]
    starts = [mark.start for mark in marks]
    for activity in activities.items:
        place = bisect_right(starts, activity.launched) - 1
        if place >= 0 and activity.launched < marks[place].end:
            found[place].append(activity)
    return found


def _is_cut_off(marks: Sequence[StepWindow], found: Sequence[Sequence[Activity]]) -> bool:
    """Whether the profiler stopped within the last step: it runs less than every other one but the first."""
    if len(marks) < 2:
        return False
    whole = [COMPLETE * len(items) for items in found[1:-1]] or [AFTER_WARM_UP * len(found[0])]
    return len(found[-1]) < min(whole)


def _steps(
    path: Path, marks: Sequence[StepWindow], found: Sequence[Sequence[Activity]], *, on_device: bool
) -> Iterator[MeasuredStep]:
    for place, mark in enumerate(marks):
        if not found[place]:
            raise SimdlError(
                f"{path}: ProfilerStep#{mark.number}: nothing runs in it; expected kernels or CPU operators"
            )
    for place, mark in enumerate(marks):
        start, end = mark.start, mark.end
        if on_device:
            start, end = _device_window(found, place, mark)
        kinds = divided(found[place], start, end)
        yield MeasuredStep(
            number=mark.number, start=start, end=end, kinds=kinds, activities=tuple(found[place])
        )


def _device_window(found: Sequence[Sequence[Activity]], place: int, mark: StepWindow) -> tuple[float, float]:
    """From the first activity of a step to that of the next; the last step is as long as it is seen to be."""
    start = found[place][0].start
    if place + 1 < len(found) and found[place + 1]:
        return start, max(start, found[place + 1][0].start)
    return start, max(start + mark.end - mark.start, *(activity.end for activity in found[place]))


def divided(activities: Sequence[Activity], start: float, end: float) -> dict[str, float]:
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
