"""The timeline of a step: which rank does what when, with the critical path, and how full its memory is.

Large timelines are thinned: some ranks, evenly spaced with the first and the last; tasks that share a pixel
as one (:mod:`planner.pages.figures.thinning`). No lane shows work where there is none for longer than a
pixel.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planner.pages.figures.palette import OTHER, PART_NAMES, PARTS, ROLES, TASKS, rank_colours
from planner.pages.figures.style import add_limit, axis, new_figure, words
from planner.pages.figures.thinning import Bar, Row, thin
from planner.pages.figures.units import STEPS, Scale, scale
from simdl.engine.holdings import Indices, holdings
from simdl.engine.timeline import Timeline
from simdl.program.program import Program, Task
from simdl.report.critical_tasks import critical_tasks
from simdl.report.timeline_metrics import memory_profile, memory_profiles

Floats = NDArray[np.float64]

RANKS = 16  # that a figure shows at most
CURVES = 8  # that memory shows at most
SPANS = 4000  # above which neighbours are drawn as one
RESOLUTION = 1 / 1000  # of the step: a pixel
POINTS = 700  # of one memory curve, about a pixel each
LANE = 18  # [px] of height
BAR = 0.72  # of a lane's height
FRAME = 140  # [px] around the lanes
LEAST = 240  # [px], for the name of the axis of lanes


def shown_ranks(timeline: Timeline, *, limit: int = RANKS) -> list[int]:
    """All ranks, or as many as allowed, evenly spaced with the first and the last."""
    ranks = sorted({stream.rank for stream in timeline.program.streams})
    if len(ranks) <= limit:
        return ranks
    return sorted({ranks[round(step * (len(ranks) - 1) / (limit - 1))] for step in range(limit)})


def timeline_note(timeline: Timeline) -> str:
    """What the figures of this timeline leave out; empty if nothing."""
    ranks = {stream.rank for stream in timeline.program.streams}
    notes = []
    if len(ranks) > RANKS:
        notes.append(f"{RANKS} of {len(ranks)} ranks, evenly spaced")
    if len(timeline.program.tasks) > SPANS:
        step = timeline.step_time * RESOLUTION
        notes.append(f"tasks within {step:.2g} s are drawn as one, each name in proportion to its time")
    return "; ".join(notes)


def gantt_figure(timeline: Timeline) -> go.Figure:
    """Lanes of streams with their tasks by name, and a line along the critical path."""
    lanes = _lanes(timeline)
    bars = _bars(timeline, lanes)
    time = scale("s", [timeline.step_time])
    figure = new_figure(height=max(LEAST, FRAME + LANE * len(lanes)))
    for name in dict.fromkeys([*TASKS, *(bar.name for bar in bars)]):
        drawn = [bar for bar in bars if bar.name == name]
        if drawn:
            _add_bars(figure, name, drawn, time)
    _add_critical_path(figure, timeline, lanes, time)
    figure.update_xaxes(axis("time from step start", time.unit))
    streams = timeline.program.streams
    figure.update_yaxes(
        tickvals=list(lanes.values()),
        ticktext=[f"{streams[index].rank} {streams[index].name}" for index in lanes],
        range=[len(lanes) - 0.4, -0.6],
        tickfont={"size": 10},
        title={"text": "rank and stream"},
        showgrid=False,
        zeroline=False,
    )
    return figure


def on_one_time_axis(figures: Sequence[go.Figure]) -> list[go.Figure]:
    """Timelines with the unit and the range of the longest of them, to be read one above the other."""
    sizes = [STEPS["s"][figure.layout.xaxis.title.text.rpartition("[")[2].rstrip("]")] for figure in figures]
    ends = [
        size * max(x for trace in figure.data for x in trace.x if x is not None)
        for size, figure in zip(sizes, figures, strict=True)
    ]
    time = scale("s", ends)
    changed = []
    for size, figure in zip(sizes, figures, strict=True):
        moved = go.Figure(figure)
        for trace in moved.data:
            trace.x = [None if x is None else x * size / time.size for x in trace.x]
        moved.update_xaxes(axis("time from step start", time.unit), range=[0, max(ends) / time.size])
        changed.append(moved)
    return changed


def memory_figure(timeline: Timeline, base: Mapping[int, float], usable: float) -> go.Figure:
    """Memory over the step by rank: what lives for the whole step, ``base`` [bytes], and activations."""
    figure = new_figure(height=420)
    ranks = shown_ranks(timeline, limit=CURVES)
    profiles = memory_profiles(timeline, ranks)
    curves = [_curve(timeline, profiles.get(rank, [])) for rank in ranks]
    tops = [
        base.get(rank, 0.0) + float(nbytes.max()) for rank, (_, nbytes) in zip(ranks, curves, strict=True)
    ]
    time, memory = scale("s", [timeline.step_time]), scale("B", [usable, *tops])
    for rank, (times, nbytes), colour in zip(ranks, curves, rank_colours(len(ranks)), strict=True):
        figure.add_scatter(
            mode="lines",
            name=f"rank {rank}",
            x=times / time.size,
            y=(base.get(rank, 0.0) + nbytes) / memory.size,
            line={"shape": "hv", "width": 1.5, "color": colour},
            hovertemplate=f"rank {rank}: {memory.shown('y')} at {time.shown('x')}<extra></extra>",
        )
    _name_memory(figure, time, memory, usable)
    return figure


def memory_by_part_figure(
    timeline: Timeline, rank: int, parts: Mapping[str, float], live: str, usable: float
) -> go.Figure:
    """Memory of one rank over the step, stacked by part.

    Args:
        timeline: what happened.
        rank: whose memory.
        parts: [bytes] by part at the peak; all but ``live`` last for the step.
        live: the part that the timeline follows.
        usable: [bytes] of a device, as a line.
    """
    figure = new_figure(height=420)
    times, changing = _curve(timeline, memory_profile(timeline, rank))
    time, memory = scale("s", [timeline.step_time]), scale("B", [usable, sum(parts.values())])
    lasting = {name: np.full_like(times, nbytes) for name, nbytes in parts.items() if nbytes and name != live}
    for name, amounts in {**lasting, live: changing}.items():
        colour, pattern = PARTS.get(name, OTHER)
        shown = PART_NAMES.get(name, words(name))
        figure.add_scatter(
            mode="lines",
            name=shown,
            x=times / time.size,
            y=amounts / memory.size,
            stackgroup="memory",
            line={"shape": "hv", "width": 0.5, "color": colour},
            fillcolor=colour,
            fillpattern={"shape": pattern},
            hovertemplate=f"{shown}: {memory.shown('y')} at {time.shown('x')}<extra></extra>",
        )
    _name_memory(figure, time, memory, usable)
    return figure


def _name_memory(figure: go.Figure, time: Scale, memory: Scale, usable: float) -> None:
    """Axes of memory over time, with a line where a device is full."""
    add_limit(figure, "usable", y=usable / memory.size)
    figure.update_xaxes(axis("time from step start", time.unit))
    figure.update_yaxes(axis("memory of a device", memory.unit), rangemode="tozero")


def _lanes(timeline: Timeline) -> dict[int, int]:
    """Streams that run anything on the shown ranks, to their lane from the top."""
    program = timeline.program
    used = {*program.stream, *(stream for several in program.held.values() for stream in several)}
    ranks = set(shown_ranks(timeline))
    streams = program.streams
    kept = [i for i in range(len(streams)) if i in used and streams[i].rank in ranks]
    return {stream: lane for lane, stream in enumerate(kept)}


def _bars(timeline: Timeline, lanes: Mapping[int, int]) -> list[Bar]:
    """Bars of the shown lanes in the order of tasks, which is the one in which a stream runs them.

    Of many, only those that have a lane are looked at, and neighbours within a pixel become one.
    """
    program = timeline.program
    names = [str(action.purpose) for action in program.actions]
    shown = _on_lanes(program, lanes)
    if len(program) > SPANS:
        return list(_thinned_bars(timeline, names, lanes, shown))
    return [
        Bar(
            names[program.action[index]],
            lanes[stream],
            timeline.start[index],
            timeline.end[index],
            _text(program.tasks[index]),
        )
        for index, stream in zip(*(column.tolist() for column in shown), strict=True)
    ]


def _thinned_bars(
    timeline: Timeline, names: Sequence[str], lanes: Mapping[int, int], shown: tuple[Indices, Indices]
) -> Iterator[Bar]:
    """Lane by lane; neighbours within a pixel as one."""
    distinct = list(dict.fromkeys(names))
    name = np.array([distinct.index(each) for each in names])
    action, start, end = (
        np.frombuffer(column, dtype=column.typecode)
        for column in (timeline.program.action, timeline.start, timeline.end)
    )
    tasks, streams = shown
    for stream, lane in lanes.items():
        own = tasks[streams == stream]
        row = Row(lane=lane, name=name[action[own]], start=start[own], end=end[own])
        yield from thin(row, distinct, apart=timeline.step_time * RESOLUTION)


def _on_lanes(program: Program, lanes: Mapping[int, int]) -> tuple[Indices, Indices]:
    """Tasks and the streams that they hold, of streams that have a lane, in the order of tasks."""
    tasks, streams = holdings(program)
    shown = np.flatnonzero(np.isin(streams, list(lanes)))
    shown = shown[np.argsort(tasks[shown], kind="stable")]
    return tasks[shown], streams[shown]


def _text(task: Task) -> str:
    return f"microbatch {task.microbatch}, stage {task.stage}" if task.microbatch >= 0 else ""


def _add_bars(figure: go.Figure, name: str, bars: Sequence[Bar], unit: Scale) -> None:
    """One filled outline: thousands of bars are one path for the browser."""
    corners = list(_outline(bars))
    colour, pattern = TASKS.get(name, OTHER)
    told = any(bar.text for bar in bars)
    kind = np.float64 if told else np.float32  # of thinned bars, for a page that stays small
    figure.add_scatter(
        mode="none",
        name=name,
        x=np.array([time / unit.size for time, _, _ in corners], kind),
        y=np.array([height for _, height, _ in corners], np.float32),
        text=np.array([text for _, _, text in corners]) if told else None,
        fill="toself",
        fillcolor=colour,
        fillpattern={"shape": pattern, "size": 6, "solidity": 0.35},  # of a low bar
        hoveron="points",
        hovertemplate=f"{name}{' %{text}' if told else ''}<br>%{{x:,.5~r}} {unit.unit}<extra></extra>",
    )


def _outline(bars: Sequence[Bar]) -> Iterator[tuple[float, float, str]]:
    """Corners of one closed line around all bars, with their texts.

    It runs along the foot of a lane, over its bars and back along the foot, then to the next lane; the same
    way back to the first. Wherever it passes twice it encloses nothing.
    """
    starts = []
    for lane, group in groupby(sorted(bars, key=lambda bar: (bar.lane, bar.start)), lambda bar: bar.lane):
        low, high = lane - BAR / 2, lane + BAR / 2
        start: tuple[float, float, str] | None = None
        for bar in group:
            start = start or (bar.start, low, bar.text)
            yield from ((x, y, bar.text) for x, y in ((bar.start, low), (bar.start, high)))
            yield from ((x, y, bar.text) for x, y in ((bar.end, high), (bar.end, low)))
        assert start is not None  # noqa: S101 - no group is empty
        yield start
        starts.append(start)
    yield from reversed(starts[:-1])


def _add_critical_path(figure: go.Figure, timeline: Timeline, lanes: Mapping[int, int], unit: Scale) -> None:
    """Through the shown lanes only; neighbours on one lane are one stretch."""
    program = timeline.program
    xs: list[float] = []
    ys: list[int] = []
    for index in critical_tasks(timeline):
        lane = lanes.get(program.streams_of(index)[0])
        if lane is None:
            continue
        if ys and ys[-1] == lane:
            xs[-1] = timeline.end[index]
        else:
            xs += [timeline.start[index], timeline.end[index]]
            ys += [lane, lane]
    figure.add_scatter(
        mode="lines",
        name="critical path",
        x=unit.of(xs),
        y=ys,
        line={"width": 2, "color": ROLES["critical path"]},
        hoverinfo="skip",
    )


def _curve(timeline: Timeline, profile: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    """Times [s] and activations [bytes] from step start to step end."""
    times, nbytes = zip(*_thinned([(0.0, 0.0), *profile, (timeline.step_time, 0.0)]), strict=True)
    return np.array(times), np.array(nbytes)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most ``POINTS`` points that keep the largest value of every stretch."""
    if len(points) <= POINTS:
        return list(points)
    stretches: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place, point in enumerate(points):
        stretches[place * POINTS // len(points)].append(point)
    return [max(stretch, key=lambda point: point[1]) for stretch in stretches.values()]
