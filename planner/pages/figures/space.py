"""The space of a plan: bounds against memory with their Pareto front, and all candidates side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from planner.bounds.estimate import Bounds
from planner.money.pareto import pareto_front
from planner.pages.figures.palette import ROLES, SLATE
from planner.pages.figures.style import add_limit, axis, new_figure
from planner.pages.figures.units import Scale, scale
from planner.space.candidates import RECOMPUTE, Integers, Space

POINTS = 4000  # candidates that a figure shows at most
LINES = 500  # and that parallel coordinates show, which take the browser longer
DEGREES = ("dp", "tp", "pp", "cp", "micro_batch", "virtual_stages")
CHOICES = {
    "recompute": tuple(mode.value for mode in RECOMPUTE),
    "zero": ("0", "1", "2", "3"),
    "sequence_parallel": ("off", "on"),
}
LABELS = {
    "micro_batch": "micro-batch",
    "virtual_stages": "virtual",
    "zero": "ZeRO",
    "sequence_parallel": "SP",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One simulated plan: its text, [s] of its step and [bytes] at its peak."""

    label: str
    step_time: float
    memory: float


def sample_candidates(bounds: Bounds, fits: Integers, *, points: int = POINTS) -> Integers:
    """Candidates to show: all that fit, or as many as allowed, evenly spaced in the order of their bounds."""
    order = fits[np.argsort(bounds.step_times(fits), kind="stable")]
    if len(order) <= points:
        return order
    return order[np.linspace(0, len(order) - 1, points).round().astype(np.int64)]


def pareto_figure(bounds: Bounds, shown: Integers, fits: Integers, plans: Sequence[Point]) -> go.Figure:
    """Least step time against peak memory: candidates, their Pareto front, and the simulated plans."""
    figure = new_figure(height=460)
    units = _units(bounds.step_times(shown).tolist(), bounds.memory[shown].tolist(), plans)
    _add_candidates(figure, bounds, shown, units)
    time, memory = bounds.step_times(fits).tolist(), bounds.memory[fits].tolist()
    front = pareto_front(time, memory)
    figure.add_scatter(
        mode="lines",
        name="Pareto front",
        x=units[1].of(memory[index] for index in front),
        y=units[0].of(time[index] for index in front),
        line={"shape": "hv", "color": ROLES["front"], "width": 2},
    )
    figure.add_scatter(
        mode="markers",
        name="simulated plans",
        x=units[1].of(plan.memory for plan in plans),
        y=units[0].of(plan.step_time for plan in plans),
        text=[plan.label for plan in plans],
        marker={
            "size": 11,
            "color": ROLES["plans"],
            "symbol": "diamond",
            "line": {"color": "black", "width": 1},
        },
        hovertemplate=f"%{{text}}<br>{units[1].shown('x')}, {units[0].shown('y')}<extra></extra>",
    )
    figure.update_xaxes(axis("peak memory of a device", units[1].unit))
    figure.update_yaxes(axis("step time", units[0].unit, log=True))
    return figure


def _units(
    seconds: Sequence[float], nbytes: Sequence[float], plans: Sequence[Point] = ()
) -> tuple[Scale, Scale]:
    """Units of times and of memory."""
    times = [*seconds, *(plan.step_time for plan in plans)]
    return scale("s", times, log=True), scale("B", [*nbytes, *(plan.memory for plan in plans)])


def _add_candidates(figure: go.Figure, bounds: Bounds, shown: Integers, units: tuple[Scale, Scale]) -> None:
    time, memory = units
    figure.add_scatter(
        mode="markers",
        name="candidates (bound)",
        showlegend=True,
        x=memory.of(bounds.memory[shown].tolist()),
        y=time.of(bounds.step_times(shown).tolist()),
        marker={"size": 4, "color": ROLES["candidates"], "opacity": 0.6},
        hovertemplate=f"{memory.shown('x')}, at least {time.shown('y')}<extra>candidate</extra>",
    )


def shortage_figure(bounds: Bounds, shown: Integers, usable: float) -> go.Figure:
    """Least step time against peak memory where nothing fits, with what a device can hold [bytes]."""
    figure = new_figure(height=460)
    time, memory = _units(bounds.step_times(shown).tolist(), [usable, *bounds.memory[shown].tolist()])
    _add_candidates(figure, bounds, shown, (time, memory))
    add_limit(figure, "usable", x=usable / memory.size)
    figure.update_annotations(x=float(np.log10(usable / memory.size)))  # unlike lines, they take logarithms
    ends = np.array([usable / 1.5, bounds.memory[shown].max() * 1.5]) / memory.size
    low, high = np.log10(ends).tolist()
    decades = {"dtick": 1} if high - low > 2 else {}  # fewer ticks would be too few
    figure.update_xaxes(axis("peak memory of a device", memory.unit, log=True), range=[low, high], **decades)
    figure.update_yaxes(axis("step time", time.unit, log=True))
    return figure


def coordinates_figure(space: Space, bounds: Bounds, shown: Integers) -> go.Figure:
    """Parallel coordinates: one line per candidate through all its choices, coloured by its bound.

    A choice that is the same for all has no axis (:func:`common_choices` names it): it would tell nothing,
    and every axis takes a browser without a graphics card a tenth of a second.
    """
    seconds = bounds.step_times(shown)
    dimensions = [choice for choice in _choices(space, shown) if _differs(choice)]
    time, memory = _units(seconds.tolist(), bounds.memory[shown].tolist())
    dimensions += [
        _amount(f"memory [{memory.unit}]", bounds.memory[shown] / memory.size),
        _amount(f"bound [{time.unit}]", seconds / time.size),
    ]
    figure = new_figure(height=400)
    low, high = np.log10([seconds.min(), seconds.max()]) if len(seconds) else (0.0, 1.0)
    ticks = np.linspace(low, high, 5).tolist()
    figure.add_parcoords(
        dimensions=dimensions,
        line={
            "color": np.log10(seconds).tolist(),
            "colorscale": SLATE,
            "reversescale": True,
            "showscale": True,
            "colorbar": {
                "title": {"text": f"bound [{time.unit}]"},
                "tickvals": ticks,
                "ticktext": [f"{10**tick / time.size:,.3g}" for tick in ticks],
            },
        },
    )
    figure.update_layout(margin={"l": 120, "r": 30, "t": 60, "b": 30})
    return figure


def _amount(label: str, values: NDArray[np.float64]) -> dict[str, Any]:
    """An axis of amounts with few digits, also at its ends."""
    return {"label": label, "values": values, "tickformat": ",.3~r"}


def common_choices(space: Space, shown: Integers) -> list[str]:
    """The choices that are the same for all shown candidates, such as ``cp 1``."""
    same = [choice for choice in _choices(space, shown) if not _differs(choice)]
    return [f"{choice['label']} {choice['ticktext'][0]}" for choice in same]


def _differs(dimension: Mapping[str, Any]) -> bool:
    values: Integers = dimension["values"]
    return bool((values != values[:1]).any())


def _choices(space: Space, shown: Integers) -> Iterator[dict[str, Any]]:
    """Every choice as a dimension with the values of the shown candidates and their texts."""
    yield _choice("schedule", space.schedules, space, shown)  # its long texts stand left of its axis
    for name in DEGREES:
        yield _degree(name, getattr(space, name)[shown])
    for name, texts in CHOICES.items():
        yield _choice(name, texts, space, shown)


def _choice(name: str, texts: Sequence[str], space: Space, shown: Integers) -> dict[str, Any]:
    """A choice with the texts of the values taken."""
    taken = sorted({*getattr(space, name)[shown].tolist()})
    return {
        "label": LABELS.get(name, name),
        "values": getattr(space, name)[shown],
        "tickvals": taken,
        "ticktext": [texts[place] for place in taken],
    }


def _degree(name: str, values: Integers) -> dict[str, Any]:
    """A degree on a scale of powers of two."""
    kept = sorted({*values.tolist()})
    ticks = [value for value in kept if value & (value - 1) == 0] or kept
    return {
        "label": LABELS.get(name, name),
        "values": np.log2(values),
        "tickvals": np.log2(ticks).tolist(),
        "ticktext": [str(tick) for tick in ticks],
    }
