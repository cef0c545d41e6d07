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

from planner.pages.figures.style import (
    BLACK,
    CAUSES,
    OTHER,
    SERIES,
    TASKS,
    add_limit,
    axis,
    new_figure,
    words,
)
from planner.pages.figures.thinning import Bar, thin
from simdl.engine.timeline import Timeline
from simdl.program.program import Task
from simdl.report.critical_tasks import critical_tasks
from simdl.report.timeline_metrics import memory_profiles

Floats = NDArray[np.float64]

RANKS = 16  # that a figure shows at most
SPANS = 4000  # above which neighbours are drawn as one
RESOLUTION = 1 / 1000  # of the step: a pixel
POINTS = 1500  # of one memory curve
LANE = 18  # [px] of height
BAR = 0.72  # of a lane's height
FRAME = 140  # [px] around the lanes


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
    figure = new_figure(height=FRAME + LANE * len(lanes))
    for name in dict.fromkeys([*TASKS, *(bar.name for bar in bars)]):
        drawn = [bar for bar in bars if bar.name == name]
        if drawn:
            _add_bars(figure, name, drawn)
    _add_critical_path(figure, timeline, lanes)
    figure.update_xaxes(axis("time from step start", "s"))
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


def memory_figure(timeline: Timeline, base: Mapping[int, float], usable: float) -> go.Figure:
    """Memory over the step by rank: what lives for the whole step, ``base`` [bytes], and activations."""
    figure = new_figure(height=420)
    profiles = memory_profiles(timeline)
    for place, rank in enumerate(shown_ranks(timeline, limit=len(SERIES))):
        times, nbytes = _curve(timeline, profiles.get(rank, []))
        figure.add_scatter(
            mode="lines",
            name=f"rank {rank}",
            x=times,
            y=base.get(rank, 0.0) + nbytes,
            line={"shape": "hv", "width": 1.5, "color": SERIES[place]},
            hovertemplate=f"rank {rank}: %{{y:.4s}}B at %{{x:.4g}} s<extra></extra>",
        )
    add_limit(figure, "usable", y=usable)
    figure.update_xaxes(axis("time from step start", "s"))
    figure.update_yaxes(axis("memory of a device", "B"), rangemode="tozero")
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
    times, changing = _curve(timeline, memory_profiles(timeline).get(rank, []))
    lasting = {name: np.full_like(times, nbytes) for name, nbytes in parts.items() if nbytes and name != live}
    for name, amounts in {**lasting, live: changing}.items():
        colour, pattern = CAUSES.get(name, OTHER)
        figure.add_scatter(
            mode="lines",
            name=words(name),
            x=times,
            y=amounts,
            stackgroup="memory",
            line={"shape": "hv", "width": 0.5, "color": colour},
            fillcolor=colour,
            fillpattern={"shape": pattern},
            hovertemplate=f"{words(name)}: %{{y:.4s}}B at %{{x:.4g}} s<extra></extra>",
        )
    add_limit(figure, "usable", y=usable)
    figure.update_xaxes(axis("time from step start", "s"))
    figure.update_yaxes(axis("memory of a device", "B"), rangemode="tozero")
    return figure


def _lanes(timeline: Timeline) -> dict[int, int]:
    """Streams that run anything on the shown ranks, to their lane from the top."""
    used = {stream for task in timeline.program.tasks for stream in task.streams}
    ranks = set(shown_ranks(timeline))
    streams = timeline.program.streams
    kept = [i for i in range(len(streams)) if i in used and streams[i].rank in ranks]
    return {stream: lane for lane, stream in enumerate(kept)}


def _bars(timeline: Timeline, lanes: Mapping[int, int]) -> list[Bar]:
    tasks = timeline.program.tasks
    thinned = len(tasks) > SPANS
    bars = [
        Bar(
            task.name,
            lanes[stream],
            timeline.start[index],
            timeline.end[index],
            "" if thinned else _text(task),
        )
        for index, task in enumerate(tasks)  # a stream runs its tasks in this order
        for stream in task.streams
        if stream in lanes
    ]
    if not thinned:
        return bars
    return thin(bars, apart=timeline.step_time * RESOLUTION)


def _text(task: Task) -> str:
    return f"microbatch {task.microbatch}, stage {task.stage}" if task.microbatch >= 0 else ""


def _add_bars(figure: go.Figure, name: str, bars: Sequence[Bar]) -> None:
    """One filled outline: thousands of bars are one path for the browser."""
    corners = list(_outline(bars))
    colour, pattern = TASKS.get(name, OTHER)
    told = any(bar.text for bar in bars)
    kind = np.float64 if told else np.float32  # of thinned bars, for a page that stays small
    figure.add_scatter(
        mode="none",
        name=name,
        x=np.array([time for time, _, _ in corners], kind),
        y=np.array([height for _, height, _ in corners], np.float32),
        text=np.array([text for _, _, text in corners]) if told else None,
        fill="toself",
        fillcolor=colour,
        fillpattern={"shape": pattern, "size": 6, "solidity": 0.35},  # of a low bar
        hoveron="points",
        hovertemplate=f"{name}{' %{text}' if told else ''}<br>%{{x:.6g}} s<extra></extra>",
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


def _add_critical_path(figure: go.Figure, timeline: Timeline, lanes: Mapping[int, int]) -> None:
    """Through the shown lanes only; neighbours on one lane are one stretch."""
    tasks = timeline.program.tasks
    xs: list[float] = []
    ys: list[int] = []
    for index in critical_tasks(timeline):
        lane = lanes.get(tasks[index].streams[0])
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
        x=xs,
        y=ys,
        line={"width": 2, "color": BLACK},
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
