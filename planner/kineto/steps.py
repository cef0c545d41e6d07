"""Steps of a trace: what ``profiler.step()`` marked as ``ProfilerStep#N``, without the warm-up."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.kineto.events import TraceEvent
from simdl.errors import SimdlError

MARK = re.compile(r"ProfilerStep#(\d+)")
HOST_MARKS = frozenset({"user_annotation", "cpu_op", "operator", "python_function", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWindow:
    """One step of a trace: its number, and from when to when it was marked on the host [s]."""

    number: int
    start: float
    end: float


def whole_trace(events: Sequence[TraceEvent]) -> tuple[StepWindow, ...]:
    """Everything as one step, with number 0, for a trace of a loop that marks none."""
    end = max(event.end for event in events)
    return (StepWindow(number=0, start=min(event.start for event in events), end=end),)


def marked_steps(path: Path, events: Sequence[TraceEvent]) -> tuple[StepWindow, ...]:
    """All marked steps in order.

    Raises:
        SimdlError: there is none, or a step takes no time.
    """
    found: dict[int, StepWindow] = {}
    for event in events:
        mark = MARK.fullmatch(event.name)
        if mark and event.category in HOST_MARKS:
            number = int(mark[1])
            found.setdefault(number, StepWindow(number=number, start=event.start, end=event.end))
    if not found:
        raise SimdlError(
            f"{path}: no ProfilerStep#N mark among {len(events)} events; expected a trace of a loop that "
            "calls step() of torch.profiler.profile after every step, or --whole to take it as one step"
        )
    if empty := [step.number for step in found.values() if step.end <= step.start]:
        raise SimdlError(f"{path}: ProfilerStep#{empty[0]}: takes no time; expected a step with a duration")
    return tuple(sorted(found.values(), key=lambda step: step.start))


def without_warm_up(steps: Sequence[StepWindow]) -> tuple[StepWindow, ...]:
    """All but the first; a single one stays."""
    return tuple(steps[1:] or steps)
