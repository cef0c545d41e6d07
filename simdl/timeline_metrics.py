"""Metrics of a timeline: exposed communication, breakdown, memory, critical path.

Each instant of a rank belongs to one cause. While its compute stream runs a task: its parts. Otherwise,
while other streams of the rank run tasks: the parts of the one that started first (exposed communication).
Otherwise: the bubble. So the breakdown of a rank adds up to the step time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from simdl.deadlock import deadlock
from simdl.precedence import precedence
from simdl.task import Schedule, Task
from simdl.timeline import Timeline

COMPUTE = "compute"  # the stream whose idle time is bubble or exposed communication
BUBBLE = "bubble"

Interval = tuple[float, float]


def critical_path(schedule: Schedule) -> float:
    """[s] of the longest chain of tasks linked by ``after`` and by the order of the streams.

    Raises:
        DeadlockError: the links form a cycle.
        SimdlError: as for :func:`simdl.engine.run`.
    """
    waiting, followers = precedence(schedule)
    ready = [index for index, count in enumerate(waiting) if not count]
    earliest = [0.0] * len(waiting)
    longest = 0.0
    while ready:
        index = ready.pop()
        end = earliest[index] + schedule.tasks[index].duration
        longest = max(longest, end)
        for follower in followers[index]:
            earliest[follower] = max(earliest[follower], end)
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    if any(waiting):
        raise deadlock(schedule, [count > 0 for count in waiting])
    return longest


def exposed(timeline: Timeline, rank: int) -> dict[str, float]:
    """[s] by part during which a rank's compute stream is idle and another of its streams is not."""
    compute, other = _tasks_of_ranks(timeline.schedule).get(rank, ([], []))
    return _exposed(timeline, compute, other, timeline.step_time)


def breakdown(timeline: Timeline, rank: int) -> dict[str, float]:
    """[s] of one rank by cause; adds up to the step time."""
    compute, other = _tasks_of_ranks(timeline.schedule).get(rank, ([], []))
    return _breakdown(timeline, compute, other, timeline.step_time)


def breakdowns(timeline: Timeline) -> dict[int, dict[str, float]]:
    """:func:`breakdown` of every rank, in one pass over the tasks."""
    ranks = _tasks_of_ranks(timeline.schedule)
    step = timeline.step_time
    return {rank: _breakdown(timeline, compute, other, step) for rank, (compute, other) in ranks.items()}


def bubble_fraction(timeline: Timeline) -> float:
    """Share of all ranks' step time in which they neither compute nor communicate."""
    causes = breakdowns(timeline).values()
    whole = timeline.step_time * len(causes)
    return sum(cause[BUBBLE] for cause in causes) / whole if whole else 0.0


def memory_profile(timeline: Timeline, rank: int) -> list[tuple[float, float]]:
    """Times [s] at which a rank's live memory changes, and the bytes live from then on."""
    return memory_profiles(timeline).get(rank, [])


def memory_profiles(timeline: Timeline) -> dict[int, list[tuple[float, float]]]:
    """:func:`memory_profile` of every rank that acquires or releases memory, in one pass over the tasks."""
    changes: dict[int, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    streams = timeline.schedule.streams
    for index, task in enumerate(timeline.schedule.tasks):
        if task.acquire:
            changes[streams[task.streams[0]].rank][timeline.start[index]] += task.acquire
        if task.release:
            changes[streams[task.streams[0]].rank][timeline.end[index]] -= task.release
    return {rank: _running_total(changes[rank]) for rank in sorted(changes)}


def _running_total(changes: Mapping[float, float]) -> list[tuple[float, float]]:
    times = sorted(changes)
    return list(zip(times, accumulate(changes[time] for time in times), strict=True))


def _tasks_of_ranks(schedule: Schedule) -> dict[int, tuple[list[int], list[int]]]:
    """Per rank the tasks that hold its compute stream, in order, and its other tasks."""
    found: dict[int, tuple[list[int], list[int]]] = {rank: ([], []) for rank, _ in schedule.streams}
    lanes = [(*found[rank], name == COMPUTE) for rank, name in schedule.streams]
    for index, task in enumerate(schedule.tasks):
        if len(task.streams) == 1:
            compute, other, is_compute = lanes[task.streams[0]]
            (compute if is_compute else other).append(index)
        else:
            _place_rendezvous(schedule, index, found)
    return dict(sorted(found.items()))


def _place_rendezvous(
    schedule: Schedule, index: int, found: Mapping[int, tuple[list[int], list[int]]]
) -> None:
    """Enter a task of several streams once for each of its ranks, as compute where it holds that stream."""
    holds: dict[int, bool] = {}
    for stream in schedule.tasks[index].streams:
        rank, name = schedule.streams[stream]
        holds[rank] = holds.get(rank, False) or name == COMPUTE
    for rank, is_compute in holds.items():
        found[rank][0 if is_compute else 1].append(index)


def _breakdown(
    timeline: Timeline, compute: Sequence[int], other: Sequence[int], step: float
) -> dict[str, float]:
    tasks = timeline.schedule.tasks
    causes: dict[str, float] = defaultdict(float)
    busy = 0.0
    for index in compute:
        busy += tasks[index].duration
        for name, seconds in _parts(tasks[index]):
            causes[name] += seconds
    communication = _exposed(timeline, compute, other, step)
    for name, seconds in communication.items():
        causes[name] += seconds
    # Not below zero, which rounding of the sums alone could reach.
    causes[BUBBLE] += max(0.0, step - busy - sum(communication.values()))
    return dict(causes)


def _exposed(
    timeline: Timeline, compute: Sequence[int], other: Sequence[int], step: float
) -> dict[str, float]:
    """Sweep of the compute stream's gaps against the spans of the other streams, both in time order."""
    causes: dict[str, float] = defaultdict(float)
    gaps = _gaps(timeline, compute, step)
    gap = next(gaps, None)
    for index, begin, end in _owners(timeline, other):
        shown = 0.0
        while gap is not None and gap[0] < end:
            shown += max(0.0, min(gap[1], end) - max(gap[0], begin))
            if gap[1] > end:
                break
            gap = next(gaps, None)
        if shown > 0.0:
            task = timeline.schedule.tasks[index]
            for name, seconds in _parts(task):
                causes[name] += seconds * (shown / task.duration)
    return dict(causes)


def _parts(task: Task) -> tuple[tuple[str, float], ...]:
    return task.parts or ((task.name, task.duration),)


def _gaps(timeline: Timeline, indices: Sequence[int], step: float) -> Iterator[Interval]:
    """Idle intervals, up to the step's end, of a stream that runs the given tasks in order."""
    idle_from = 0.0
    for index in indices:
        if timeline.start[index] > idle_from:
            yield idle_from, timeline.start[index]
        idle_from = timeline.end[index]
    if step > idle_from:
        yield idle_from, step


def _owners(timeline: Timeline, indices: Sequence[int]) -> Iterator[tuple[int, float, float]]:
    """Disjoint intervals in time order, each with the running task that started first."""
    start, end = timeline.start, timeline.end
    covered = 0.0
    for index in sorted(indices, key=start.__getitem__):
        if end[index] > covered:
            yield index, max(start[index], covered), end[index]
            covered = end[index]
