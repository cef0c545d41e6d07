"""The timeline of a step: which rank does what when, with the critical path, and how full its memory is.

Large timelines are thinned: some ranks, evenly spaced with the first and the last; tasks that share a pixel
as one (:mod:`planner.figures.thinning`). No lane shows work where there is none for longer than a pixel.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil, log10

import plotly.graph_objects as go

from planner.figures.style import BLACK, CAUSES, GREY, SERIES, TASKS, axis, new_figure, words
from planner.figures.thinning import Bar, thin
from simdl.critical_tasks import critical_tasks
from simdl.timeline import Timeline
from simdl.timeline_metrics import memory_profiles

RANKS = 16  # that a figure shows at most
SPANS = 4000  # above which neighbours are drawn as one
RESOLUTION = 1 / 1000  # of the step: a pixel
DIGITS = 6  # of the step, to which thinned times are rounded
POINTS = 1500  # of one memory curve
LANE = 18  # [px] of height
FRAME = 140  # [px] around the lanes


def shown_ranks(timeline: Timeline, *, limit: int = RANKS) -> list[int]:
    """All ranks, or as many as allowed, evenly spaced with the first and the last."""
    ranks = sorted({stream.rank for stream in timeline.schedule.streams})
    if len(ranks) <= limit:
        return ranks
    return sorted({ranks[round(step * (len(ranks) - 1) / (limit - 1))] for step in range(limit)})


def timeline_note(timeline: Timeline) -> str:
    """What the figures of this timeline leave out; empty if nothing."""
    ranks = {stream.rank for stream in timeline.schedule.streams}
    notes = []
    if len(ranks) > RANKS:
        notes.append(f"{RANKS} of {len(ranks)} ranks, evenly spaced")
    if len(timeline.schedule.tasks) > SPANS:
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
    streams = timeline.schedule.streams
    figure.update_yaxes(
        tickvals=list(lanes.values()),
        ticktext=[f"{streams[index].rank} {streams[index].name}" for index in lanes],
        range=[len(lanes) - 0.4, -0.6],
        tickfont={"size": 10},
        title={"text": "rank and stream"},
        showgrid=False,
    )
    return figure


def memory_figure(timeline: Timeline, base: Mapping[int, float], usable: float) -> go.Figure:
    """Memory over the step by rank: what lives for the whole step, ``base`` [bytes], and activations."""
    figure = new_figure(height=420)
    profiles = memory_profiles(timeline)
    for place, rank in enumerate(shown_ranks(timeline, limit=len(SERIES))):
        points = _thinned([(0.0, 0.0), *profiles.get(rank, []), (timeline.step_time, 0.0)])
        figure.add_scatter(
            mode="lines",
            name=f"rank {rank}",
            x=[time for time, _ in points],
            y=[base.get(rank, 0.0) + nbytes for _, nbytes in points],
            line={"shape": "hv", "width": 1.5, "color": SERIES[place]},
            hovertemplate=f"rank {rank}: %{{y:.4s}}B at %{{x:.4g}} s<extra></extra>",
        )
    figure.add_hline(y=usable, line={"dash": "dash", "color": GREY}, annotation_text="usable")
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
    points = _thinned([(0.0, 0.0), *memory_profiles(timeline).get(rank, []), (timeline.step_time, 0.0)])
    times = [time for time, _ in points]
    lasting = {name: [nbytes] * len(points) for name, nbytes in parts.items() if nbytes and name != live}
    for name, amounts in {**lasting, live: [nbytes for _, nbytes in points]}.items():
        colour, pattern = CAUSES.get(name, (GREY, ""))
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
    figure.add_hline(y=usable, line={"dash": "dash", "color": GREY}, annotation_text="usable")
    figure.update_xaxes(axis("time from step start", "s"))
    figure.update_yaxes(axis("memory of a device", "B"), rangemode="tozero")
    return figure


def _lanes(timeline: Timeline) -> dict[int, int]:
    """Streams that run anything on the shown ranks, to their lane from the top."""
    used = {stream for task in timeline.schedule.tasks for stream in task.streams}
    ranks = set(shown_ranks(timeline))
    streams = timeline.schedule.streams
    kept = [i for i in range(len(streams)) if i in used and streams[i].rank in ranks]
    return {stream: lane for lane, stream in enumerate(kept)}


def _bars(timeline: Timeline, lanes: Mapping[int, int]) -> list[Bar]:
    tasks = timeline.schedule.tasks
    thinned = len(tasks) > SPANS
    bars = [
        Bar(
            tasks[index].name,
            lanes[stream],
            timeline.start[index],
            timeline.end[index],
            "" if thinned else _text(timeline, index),
        )
        for index in sorted(range(len(tasks)), key=timeline.start.__getitem__)
        for stream in tasks[index].streams
        if stream in lanes
    ]
    if not thinned:
        return bars
    return _rounded(thin(bars, apart=timeline.step_time * RESOLUTION), timeline.step_time)


def _rounded(bars: list[Bar], step: float) -> list[Bar]:
    """The bars with times of few digits, for a page that stays small."""
    places = DIGITS - ceil(log10(step))
    for bar in bars:
        bar.start, bar.end = round(bar.start, places), round(bar.end, places)
    return bars


def _text(timeline: Timeline, index: int) -> str:
    task = timeline.schedule.tasks[index]
    return f"microbatch {task.microbatch}, stage {task.stage}" if task.microbatch >= 0 else ""


def _add_bars(figure: go.Figure, name: str, bars: Sequence[Bar]) -> None:
    """One thick broken line: thousands of spans are one path for the browser."""
    xs: list[float | None] = []
    ys: list[int | None] = []
    for bar in bars:
        xs += [bar.start, bar.end, None]
        ys += [bar.lane, bar.lane, None]
    told = any(bar.text for bar in bars)
    figure.add_scatter(
        mode="lines",
        name=name,
        x=xs,
        y=ys,
        text=[text for bar in bars for text in (bar.text, bar.text, None)] if told else None,
        line={"width": LANE - 5, "color": TASKS.get(name, GREY)},
        hovertemplate=f"{name}{' %{text}' if told else ''}<br>%{{x:.6g}} s<extra></extra>",
    )


def _add_critical_path(figure: go.Figure, timeline: Timeline, lanes: Mapping[int, int]) -> None:
    """Through the shown lanes only; neighbours on one lane are one stretch."""
    tasks = timeline.schedule.tasks
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


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most ``POINTS`` points that keep the largest value of every stretch."""
    if len(points) <= POINTS:
        return list(points)
    stretches: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place, point in enumerate(points):
        stretches[place * POINTS // len(points)].append(point)
    return [max(stretch, key=lambda point: point[1]) for stretch in stretches.values()]
