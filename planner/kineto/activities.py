"""What a trace shows running: kernels and copies of a device, or the operators of a CPU, each with its kind.

On a device everything a stream runs is an activity of the step in which the host launched it, however much
later it runs. On a CPU the innermost operator of a thread is the activity. What runs within
``Optimizer.step`` is the optimizer's.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from planner.kineto.events import Lane, TraceEvent
from planner.kineto.kinds import COPY, IDLE, OPTIMIZER, OTHER, kernel_kind, operator_kind
from planner.kineto.steps import MARK

KERNEL = "kernel"
COPIES = frozenset({"gpu_memcpy", "gpu_memset", "memcpy", "memset"})
RUNTIME = frozenset({"cuda_runtime", "cuda_driver", "hip_runtime", "hip_driver", "runtime"})
OPERATOR = frozenset({"cpu_op", "operator"})
UPDATE = "Optimizer.step#"
Interval = tuple[float, float]


class Activity(NamedTuple):
    """Something that runs on a lane: its kind and name, and from when to when [s].

    ``launched`` is when the host asked for it [s].
    """

    kind: str
    name: str
    lane: Lane
    start: float
    end: float
    launched: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities:
    """All activities of a trace in the order of their starts, and whether a device runs them."""

    on_device: bool
    items: tuple[Activity, ...]


def find_activities(events: Sequence[TraceEvent]) -> Activities:
    """Activities of the device where the trace has one, else of the CPU."""
    updates = {lane: _merged(found) for lane, found in _updates(events).items()}
    on_device = any(event.category == KERNEL for event in events)
    found = _device(events, updates) if on_device else _host(events, updates)
    return Activities(on_device=on_device, items=tuple(sorted(found, key=lambda item: item.start)))


def _updates(events: Sequence[TraceEvent]) -> dict[Lane, list[Interval]]:
    found: dict[Lane, list[Interval]] = defaultdict(list)
    for event in events:
        if event.name.startswith(UPDATE):
            found[event.lane].append((event.start, event.end))
    return found


def _device(events: Sequence[TraceEvent], updates: dict[Lane, list[Interval]]) -> Iterator[Activity]:
    calls = {event.correlation: event for event in events if event.category in RUNTIME and event.correlation}
    operators = {
        event.operator: event.name for event in events if event.category in OPERATOR and event.operator
    }
    for event in events:
        if event.category != KERNEL and event.category not in COPIES:
            continue
        call = calls.get(event.correlation)
        kind = COPY if event.category in COPIES else kernel_kind(event.name)
        if kind == OTHER and event.operator in operators:
            kind = _arithmetic(operator_kind(operators[event.operator]))
        if call is not None and _inside(updates.get(call.lane, []), call.start):
            kind = OPTIMIZER
        launched = event.start if call is None else call.start
        yield Activity(kind, event.name, event.lane, event.start, event.end, launched)


def _arithmetic(kind: str) -> str:
    """A kernel runs, so an operator that is known for bookkeeping did something else."""
    return OTHER if kind == IDLE else kind


def _host(events: Sequence[TraceEvent], updates: dict[Lane, list[Interval]]) -> Iterator[Activity]:
    lanes: dict[Lane, list[TraceEvent]] = defaultdict(list)
    for event in events:
        if event.category in OPERATOR and not MARK.fullmatch(event.name):
            lanes[event.lane].append(event)
    for lane, found in lanes.items():
        for name, start, end in innermost(found):
            kind = operator_kind(name)
            if kind != IDLE and _inside(updates.get(lane, []), start):
                kind = OPTIMIZER
            yield Activity(kind, name, lane, start, end, start)


def innermost(events: Sequence[TraceEvent]) -> Iterator[tuple[str, float, float]]:
    """Stretches of one lane with the innermost event running, in the order in which they end.

    Args:
        events: in the order of their starts, an outer one before an inner one.
    """
    stack: list[list[Any]] = []  # name, running since, end

    def ended(until: float) -> Iterator[tuple[str, float, float]]:
        while stack and stack[-1][2] <= until:
            name, since, end = stack.pop()
            if end > since:
                yield name, since, end
            if stack:
                stack[-1][1] = max(stack[-1][1], end)

    for event in events:
        yield from ended(event.start)
        end = event.end
        if stack:
            name, since, outer = stack[-1]
            if event.start > since:
                yield name, since, event.start
            stack[-1][1] = event.start
            end = min(end, outer)
        stack.append([event.name, event.start, end])
    yield from ended(float("inf"))


def _merged(intervals: list[Interval]) -> list[Interval]:
    """In order; nested ones, as of several optimizers, within the outermost."""
    kept: list[Interval] = []
    for start, end in sorted(intervals):
        if not kept or end > kept[-1][1]:
            kept.append((start, end))
    return kept


def _inside(intervals: list[Interval], time: float) -> bool:
    place = bisect_right(intervals, (time, float("inf"))) - 1
    return place >= 0 and time < intervals[place][1]
