"""Chrome trace: a timeline as trace events that Perfetto and chrome://tracing open.

One process per rank, one thread per stream; a rendezvous shows on every stream it holds. After them a process
with one thread per link (:mod:`simdl.report.chrome_trace_links`) and one with the critical path. Source of
the format: "Trace Event Format", Google, 2016: complete events (ph X), counters (C), flows (s, f) and
metadata (M), times in microseconds.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simdl.atomic_write import write_atomically
from simdl.engine.timeline import Timeline
from simdl.program.program import Program, Task
from simdl.report.chrome_trace_links import (
    LANES,
    Event,
    flow_events,
    link_events,
    name_event,
    nanoseconds,
    span_times,
)
from simdl.report.critical_tasks import critical_tasks, spent
from simdl.report.timeline_metrics import memory_profiles


def chrome_trace(timeline: Timeline, *, layers: Sequence[str] = (), copies: int = 1) -> dict[str, Any]:
    """The trace as a JSON-ready object; ``ts`` and ``dur`` in microseconds, whole nanoseconds.

    Args:
        timeline: what happened.
        layers: what each virtual stage holds, for the arguments of its spans.
        copies: equal ranks that each rank of the timeline stands for.
    """
    program = timeline.program
    path = critical_tasks(timeline)
    last = max((stream.rank for stream in program.streams), default=-1)
    events = [
        *_names(program, copies),
        *_spans(timeline, frozenset(path), layers),
        *_memory(timeline),
        *flow_events(timeline),
        *link_events(timeline, process=last + 1),
        *_critical_path(timeline, path, layers, process=last + 2),
    ]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_chrome_trace(
    timeline: Timeline, path: Path, *, layers: Sequence[str] = (), copies: int = 1
) -> None:
    """Write :func:`chrome_trace` as a whole or not at all.

    Raises:
        SimdlError: the directory is missing or not writable.
    """
    trace = chrome_trace(timeline, layers=layers, copies=copies)
    write_atomically(Path(path), json.dumps(trace, separators=(",", ":")), what="trace")


def _names(program: Program, copies: int) -> Iterator[Event]:
    stands_for = f" (stands for {copies} equal ranks)" if copies > 1 else ""
    for rank in sorted({stream.rank for stream in program.streams}):
        yield name_event("process", f"rank {rank}{stands_for}", rank)
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "tid": 0, "args": {"sort_index": rank}}
    for thread, (rank, name) in enumerate(program.streams, start=LANES):
        yield name_event("thread", name, rank, thread)
        yield {
            "ph": "M",
            "name": "thread_sort_index",
            "pid": rank,
            "tid": thread,
            "args": {"sort_index": thread},
        }


def _spans(timeline: Timeline, critical: frozenset[int], layers: Sequence[str]) -> Iterator[Event]:
    streams = timeline.program.streams
    for index, task in enumerate(timeline.program.tasks):
        times = span_times(timeline, index)
        args = _arguments(task, timeline.end[index] - timeline.start[index], layers)
        if index in critical:
            args["critical"] = True
        for stream in task.streams:
            rank = streams[stream].rank
            name = f"{task.name} {task.label}".rstrip()
            yield {"ph": "X", "name": name, "pid": rank, "tid": LANES + stream, **times, "args": args}


def _arguments(task: Task, duration: float, layers: Sequence[str]) -> Event:
    args: Event = {}
    if task.microbatch >= 0:
        args["microbatch"] = task.microbatch
    if task.stage >= 0:
        args["stage"] = task.stage
        if layers:
            args["layers"] = layers[task.stage]
    if task.nbytes:
        args["bytes"] = task.nbytes
    args["parts_us"] = {name: seconds * 1e6 for name, seconds in spent(task.action, duration)}
    return args


def _memory(timeline: Timeline) -> Iterator[Event]:
    for rank, profile in memory_profiles(timeline).items():
        for time, nbytes in profile:
            ts = nanoseconds(time) / 1e3
            yield {"ph": "C", "name": "memory", "pid": rank, "tid": 0, "ts": ts, "args": {"bytes": nbytes}}


def _critical_path(
    timeline: Timeline, path: Sequence[int], layers: Sequence[str], *, process: int
) -> Iterator[Event]:
    """The spans of the critical path once more, on one lane of a process of their own."""
    yield name_event("process", "critical path", process)
    yield name_event("thread", "critical path", process, LANES)
    for index in path:
        task = timeline.program.tasks[index]
        rank = timeline.program.streams[task.streams[0]].rank
        duration = timeline.end[index] - timeline.start[index]
        args = {"rank": rank, **_arguments(task, duration, layers)}
        times = span_times(timeline, index)
        yield {"ph": "X", "name": task.name, "pid": process, "tid": LANES, **times, "args": args}
