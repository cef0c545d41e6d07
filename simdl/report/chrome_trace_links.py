"""What a Chrome trace says about communication: arrows between ranks, a lane and a counter per link.

A link is what one stream of a rank sends to one other rank, or to its group: streams keep their order, so
the spans of a link never overlap. The counter is the algorithm bandwidth, bytes over duration, while it
sends.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

from simdl.engine.timeline import Timeline

Event = dict[str, Any]
Link = tuple[int, int]  # stream, receiving rank or GROUP
GROUP = -1
LANES = 1  # number of a process's first lane: Perfetto takes lane 0 for the one of the process's own number


def flow_events(timeline: Timeline) -> Iterator[Event]:
    """An arrow from every task to each task of another rank that waits for it."""
    program = timeline.program
    numbers = count()
    for index, task in enumerate(program.tasks):
        for before in task.after:
            source = program.tasks[before].streams[0]
            target = task.streams[0]
            if program.streams[source].rank == program.streams[target].rank:
                continue
            arrow = {"cat": "transfer", "name": "transfer", "id": next(numbers)}
            for phase, stream, place in (("s", source, before), ("f", target, index)):
                where = {"pid": program.streams[stream].rank, "tid": LANES + stream}
                binding = {"bp": "e"} if phase == "f" else {}
                ts = nanoseconds(timeline.start[place]) / 1e3
                yield {"ph": phase, **arrow, **where, "ts": ts, **binding}


def link_events(timeline: Timeline, *, process: int) -> Iterator[Event]:
    """Names, spans and bandwidth counters of the links, in a process of their own; none without traffic."""
    links = _transfers(timeline)
    if links:
        yield name_event("process", "links", process)
    for thread, (link, transfers) in enumerate(sorted(links.items()), start=LANES):
        label = _label(timeline, link)
        yield name_event("thread", label, process, thread)
        yield from _spans(timeline, transfers, process, thread)
        yield from _bandwidth(timeline, transfers, process, f"bandwidth {label}")


def _transfers(timeline: Timeline) -> dict[Link, list[int]]:
    """Tasks that move bytes, by link and in the order of time."""
    program = timeline.program
    receivers = _receivers(timeline)
    found: dict[Link, list[int]] = defaultdict(list)
    for index, task in enumerate(program.tasks):
        if task.nbytes > 0:
            found[task.streams[0], receivers.get(index, GROUP)].append(index)
    return {link: sorted(tasks, key=timeline.start.__getitem__) for link, tasks in found.items()}


def _receivers(timeline: Timeline) -> dict[int, int]:
    """Per task the rank of another rank's task that waits for it."""
    program = timeline.program
    rank_of = [program.streams[task.streams[0]].rank for task in program.tasks]
    return {
        before: rank_of[index]
        for index, task in enumerate(program.tasks)
        for before in task.after
        if rank_of[before] != rank_of[index]
    }


def _label(timeline: Timeline, link: Link) -> str:
    (rank, stream), receiver = timeline.program.streams[link[0]], link[1]
    target = "its group" if receiver == GROUP else f"rank {receiver}"
    return f"rank {rank} to {target} ({stream})"


def _spans(timeline: Timeline, transfers: list[int], process: int, thread: int) -> Iterator[Event]:
    for index in transfers:
        task = timeline.program.tasks[index]
        args: Event = {"bytes": task.nbytes}
        if task.microbatch >= 0:
            args |= {"microbatch": task.microbatch, "stage": task.stage}
        times = span_times(timeline, index)
        yield {"ph": "X", "name": task.name, "pid": process, "tid": thread, **times, "args": args}


def _bandwidth(timeline: Timeline, transfers: list[int], process: int, name: str) -> Iterator[Event]:
    for index in transfers:
        task = timeline.program.tasks[index]
        duration = timeline.end[index] - timeline.start[index]
        rate = task.nbytes / duration if duration else 0.0
        for time, value in ((timeline.start[index], rate), (timeline.end[index], 0.0)):
            ts = nanoseconds(time) / 1e3
            args = {"bytes_per_s": value}
            yield {"ph": "C", "name": name, "pid": process, "tid": 0, "ts": ts, "args": args}


def name_event(what: str, name: str, process: int, thread: int = 0) -> Event:
    """The metadata that names a process, or one of its threads (lanes)."""
    return {"ph": "M", "name": f"{what}_name", "pid": process, "tid": thread, "args": {"name": name}}


def span_times(timeline: Timeline, index: int) -> Event:
    """Start and duration of a task [us]; ends are rounded like starts, so that neighbours never overlap."""
    begin = nanoseconds(timeline.start[index])
    return {"ts": begin / 1e3, "dur": (nanoseconds(timeline.end[index]) - begin) / 1e3}


def nanoseconds(seconds: float) -> int:
    """Whole nanoseconds."""
    return round(seconds * 1e9)
