"""Chrome trace: a timeline as trace events that Perfetto and chrome://tracing open.

One process per rank, one thread per stream; a rendezvous shows on every stream it holds. Source of the
format: "Trace Event Format", Google, 2016: complete events (ph X), counters (C) and metadata (M), times in
microseconds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simdl.atomic_write import write_atomically
from simdl.task import Schedule, Task
from simdl.timeline import Timeline
from simdl.timeline_metrics import memory_profiles

Event = dict[str, Any]


def chrome_trace(timeline: Timeline) -> dict[str, Any]:
    """The trace as a JSON-ready object; ``ts`` and ``dur`` in microseconds, whole nanoseconds."""
    schedule = timeline.schedule
    events = [*_names(schedule), *_spans(timeline), *_memory(timeline)]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_chrome_trace(timeline: Timeline, path: Path) -> None:
    """Write the trace as a whole or not at all.

    Raises:
        SimdlError: the directory is missing or not writable.
    """
    write_atomically(Path(path), json.dumps(chrome_trace(timeline), separators=(",", ":")), what="trace")


def _names(schedule: Schedule) -> Iterator[Event]:
    for rank in sorted({stream.rank for stream in schedule.streams}):
        yield {"ph": "M", "name": "process_name", "pid": rank, "tid": 0, "args": {"name": f"rank {rank}"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "tid": 0, "args": {"sort_index": rank}}
    for thread, (rank, name) in enumerate(schedule.streams):
        yield {"ph": "M", "name": "thread_name", "pid": rank, "tid": thread, "args": {"name": name}}
        yield {
            "ph": "M",
            "name": "thread_sort_index",
            "pid": rank,
            "tid": thread,
            "args": {"sort_index": thread},
        }


def _spans(timeline: Timeline) -> Iterator[Event]:
    streams = timeline.schedule.streams
    for task, start, end in zip(timeline.schedule.tasks, timeline.start, timeline.end, strict=True):
        # Ends are rounded like starts: rounding durations instead could make neighbours overlap.
        begin = _nanoseconds(start)
        times = {"ts": begin / 1e3, "dur": (_nanoseconds(end) - begin) / 1e3}
        args = _arguments(task)
        for stream in task.streams:
            rank = streams[stream].rank
            yield {"ph": "X", "name": task.name, "pid": rank, "tid": stream, **times, "args": args}


def _arguments(task: Task) -> Event:
    args: Event = {}
    if task.microbatch >= 0:
        args["microbatch"] = task.microbatch
    if task.stage >= 0:
        args["stage"] = task.stage
    if task.parts:
        args["parts_us"] = {name: seconds * 1e6 for name, seconds in task.parts}
    return args


def _memory(timeline: Timeline) -> Iterator[Event]:
    for rank, profile in memory_profiles(timeline).items():
        for time, nbytes in profile:
            ts = _nanoseconds(time) / 1e3
            yield {"ph": "C", "name": "memory", "pid": rank, "tid": 0, "ts": ts, "args": {"bytes": nbytes}}


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
