"""Metrics of a timeline: exposed communication, breakdown, bubble, memory.

Each instant of a rank belongs to one cause. While its compute stream runs a task: its parts, and what it took
longer than alone counts as contention. Otherwise, while other streams of the rank run tasks: the parts of the
one that started first (exposed communication). Once those have ended, while samples of a later step are
prepared: the input. Otherwise: the bubble. So the breakdown of a rank adds up to
the step time. Where the last of several steps is measured, what lies in a rank's window of it counts.
"""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.engine.timeline import Timeline
from simdl.program.action import Cause, Transfer, Work, scaled
from simdl.program.program import Lane, Program

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
NOTHING = 1e-12  # of a step: what rounding leaves of a span that is covered whole


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """Tasks of one rank: those that hold its compute stream, in order, and its others in order of starts."""

    compute: Indices
    other: Indices


def exposed(timeline: Timeline, rank: int) -> dict[str, float]:
    """[s] by part during which a rank's compute stream is idle and another of its streams is not."""
    spans = _spans_of_ranks(timeline).get(rank)
    return {} if spans is None else _exposed(timeline, rank, spans)


def breakdown(timeline: Timeline, rank: int) -> dict[str, float]:
    """[s] of one rank by cause; adds up to the step time."""
    return breakdowns(timeline).get(rank, {Cause.BUBBLE: 0.0})


def breakdowns(timeline: Timeline) -> dict[int, dict[str, float]]:
    """:func:`breakdown` of every rank."""
    found = {rank: _breakdown(timeline, rank, spans) for rank, spans in _spans_of_ranks(timeline).items()}
    late = _waiting_for_input(timeline)
    for causes in found.values() if late else ():
        if Cause.INPUT not in causes:  # of a stage without input lanes of its own, which waits all the same
            causes[Cause.BUBBLE] -= late
            causes[Cause.INPUT] = late
    return found


def _waiting_for_input(timeline: Timeline) -> float:
    """[s] at the end of a step in which nothing is done but to prepare samples."""
    inputs = _are_inputs(timeline.program)
    if timeline.windows or not inputs.any() or inputs.all():
        return 0.0
    rest = timeline.step_time - float(np.frombuffer(timeline.end)[~inputs].max())
    return rest if rest > NOTHING * timeline.step_time else 0.0


def bubble_fraction(timeline: Timeline) -> float:
    """Share of all ranks' step time in which they neither compute nor communicate."""
    causes = breakdowns(timeline).values()
    whole = timeline.step_time * len(causes)
    return sum(cause[Cause.BUBBLE] for cause in causes) / whole if whole else 0.0


def memory_profile(timeline: Timeline, rank: int) -> list[tuple[float, float]]:
    """Times [s] at which a rank's live memory changes, and the bytes live from then on."""
    return memory_profiles(timeline, [rank]).get(rank, [])


def memory_profiles(
    timeline: Timeline, ranks: Sequence[int] | None = None
) -> dict[int, list[tuple[float, float]]]:
    """:func:`memory_profile` of these ranks, or of all, so far as they acquire or release memory."""
    program = timeline.program
    works = [action if isinstance(action, Work) else None for action in program.actions]
    acquired = np.array([work.acquire if work else 0.0 for work in works])[_column(program.action)]
    released = np.array([work.release if work else 0.0 for work in works])[_column(program.action)]
    rank_of = np.array([stream.rank for stream in program.streams], dtype=np.intp)[_column(program.stream)]
    start, end = np.frombuffer(timeline.start), np.frombuffer(timeline.end)
    found: dict[int, list[tuple[float, float]]] = {}
    lives, dies = acquired != 0, released != 0
    for rank in np.unique(rank_of).tolist() if ranks is None else ranks:
        own = rank_of == rank
        live, dead = np.flatnonzero(own & lives), np.flatnonzero(own & dies)
        if not len(live) + len(dead):
            continue
        times, place = np.unique(np.concatenate([start[live], end[dead]]), return_inverse=True)
        changes = np.zeros(len(times))
        np.add.at(changes, place, np.concatenate([acquired[live], -released[dead]]))
        found[rank] = list(zip(times.tolist(), np.cumsum(changes).tolist(), strict=True))
    return found


def _column(values: "array[int]") -> NDArray[np.intc]:
    found: NDArray[np.intc] = np.frombuffer(values, dtype=np.intc)
    return found


def _spans_of_ranks(timeline: Timeline) -> dict[int, _Spans]:
    """Per rank its tasks; one that holds streams of several ranks counts on each of them."""
    program = timeline.program
    computes = np.array([stream.name == Lane.COMPUTE for stream in program.streams], dtype=bool)
    ranks = np.array([stream.rank for stream in program.streams], dtype=np.intp)
    stream = _column(program.stream)
    single = np.ones(len(stream), dtype=bool)
    single[list(program.held)] = False
    index = np.flatnonzero(single)
    joint, rank, compute = _rendezvous(program)
    index = np.concatenate([index, np.array(joint, dtype=np.intp)])
    owner = np.concatenate([ranks[stream[single]], np.array(rank, dtype=np.intp)])
    is_compute = np.concatenate([computes[stream[single]], np.array(compute, dtype=bool)])
    start, inputs = np.frombuffer(timeline.start), _are_inputs(program)
    order = np.lexsort((index, owner))
    index, owner, is_compute = index[order], owner[order], is_compute[order]
    edges = np.searchsorted(owner, np.arange(len(program.classes) + 1))
    found = {}
    for number in sorted({each.rank for each in program.streams}):
        mine = slice(edges[number], edges[number + 1])
        other = index[mine][~is_compute[mine]]
        found[number] = _Spans(
            compute=index[mine][is_compute[mine]], other=other[np.lexsort((start[other], inputs[other]))]
        )
    return found


def _are_inputs(program: Program) -> NDArray[np.bool_]:
    """Per task whether it prepares samples; such tasks count only once nothing else is left to do."""
    found = [isinstance(each, Transfer) and each.cause is Cause.INPUT for each in program.actions]
    inputs: NDArray[np.bool_] = np.array(found, dtype=bool)[_column(program.action)]
    return inputs


def _rendezvous(program: Program) -> tuple[list[int], list[int], list[bool]]:
    """Task, rank and whether it holds the rank's compute stream, for every rank of every rendezvous."""
    rows: list[tuple[int, int, bool]] = []
    for index, streams in program.held.items():
        holds: dict[int, bool] = {}
        for rank, name in (program.streams[stream] for stream in streams):
            holds[rank] = holds.get(rank, False) or name == Lane.COMPUTE
        rows += [(index, rank, compute) for rank, compute in holds.items()]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _breakdown(timeline: Timeline, rank: int, spans: _Spans) -> dict[str, float]:
    begin, end = timeline.window(rank)
    starts, ends = np.frombuffer(timeline.start)[spans.compute], np.frombuffer(timeline.end)[spans.compute]
    inside = np.minimum(ends, end) - np.maximum(starts, begin)
    kept = inside > 0 if timeline.windows else np.ones(len(inside), dtype=bool)
    action = _column(timeline.program.action)[spans.compute][kept]
    count = np.bincount(action, minlength=len(timeline.program.actions))
    taken = np.bincount(action, weights=inside[kept], minlength=len(timeline.program.actions))
    causes: dict[str, float] = defaultdict(float)
    for number in np.flatnonzero(count).tolist():
        _add(causes, timeline.program, number, float(taken[number]), times=int(count[number]))
    communication = _exposed(timeline, rank, spans)
    for name, seconds in communication.items():
        causes[name] += seconds
    # Not below zero, which rounding of the sums alone could reach.
    rest = end - begin - float(inside[kept].sum()) - sum(communication.values())
    causes[Cause.BUBBLE] += max(0.0, rest)
    return dict(causes)


def _add(causes: dict[str, float], program: Program, number: int, taken: float, *, times: int) -> None:
    """Count what ``times`` tasks of one action took together [s]; work that took longer met contention."""
    action = program.actions[number]
    alone = action.duration * times
    if not isinstance(action, Work) or taken < alone * (1 - NOTHING):
        share = taken / action.duration if action.duration else 0.0
        for name, seconds in action.parts:
            causes[name] += seconds * share
        return
    parts = tuple((name, seconds * times) for name, seconds in action.parts)
    for name, seconds in scaled(parts, taken if taken > alone * (1 + NOTHING) else 0.0):
        causes[name] += seconds


def _exposed(timeline: Timeline, rank: int, spans: _Spans) -> dict[str, float]:
    """The spans of the other streams, each instant to the one that started first, where nothing computes."""
    causes: dict[str, float] = defaultdict(float)
    if not len(spans.other):
        return {}
    begin, end = timeline.window(rank)
    starts, ends = np.frombuffer(timeline.start), np.frombuffer(timeline.end)
    covered = np.maximum.accumulate(np.concatenate([[begin], ends[spans.other]]))
    left = np.clip(np.maximum(starts[spans.other], covered[:-1]), begin, end)
    right = np.clip(ends[spans.other], begin, end)
    right = np.maximum(left, right)
    busy = starts[spans.compute], ends[spans.compute]
    shown = (right - left) - (_busy_before(right, *busy) - _busy_before(left, *busy))
    action = _column(timeline.program.action)[spans.other]
    seen = shown > NOTHING * timeline.step_time
    taken = np.bincount(action[seen], weights=shown[seen], minlength=len(timeline.program.actions))
    for number in np.flatnonzero(taken).tolist():
        found = timeline.program.actions[number]
        for name, seconds in found.parts:
            causes[name] += seconds * (float(taken[number]) / found.duration)
    return dict(causes)


def _busy_before(times: Floats, starts: Floats, ends: Floats) -> Floats:
    """[s] of computation before each time, of tasks that follow one another."""
    if not len(starts):
        return np.zeros_like(times)
    total = np.cumsum(ends - starts)
    corners = np.stack([starts, ends], axis=1).ravel()
    totals = np.stack([total - (ends - starts), total], axis=1).ravel()
    found: Floats = np.interp(times, corners, totals, left=0.0)
    return found
