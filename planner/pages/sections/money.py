"""Sections of a plan's page on time, money and energy: what plans come to, and sizes side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from planner.console.format import format_duration, format_rate, format_seconds
from planner.pages.figures.palette import BLACK, ROLES
from planner.pages.figures.style import axis, new_figure
from planner.pages.figures.units import scale
from planner.pages.page import Cell, Section, Table

COLUMNS = (
    ("training_time", "training time"),
    ("device_hours", "device-hours"),
    ("cost", "USD"),
    ("kwh", "kWh"),
    ("goodput", "goodput"),
)
"""Keys of a horizon and their names, in the order of columns."""


def money_sections(data: Mapping[str, Any]) -> tuple[Section, ...]:
    """Sections of what was asked for; none where nothing was."""
    found = []
    plans = [plan for plan in data["plans"] if "horizon" in plan]
    if plans:
        labels = [str(rank) for rank, _ in enumerate(plans, start=1)]
        found.append(
            Section(
                title="What the training comes to",
                body=_table("plan", labels, [plan["horizon"] for plan in plans]),
                note=_assumed(data),
            )
        )
    sizes = [size for size in data.get("clusters", ()) if "rates" in size]
    if sizes:
        found += _size_sections(sizes)
    return tuple(found)


def _assumed(data: Mapping[str, Any]) -> str:
    said = [*(f"price {each}" for each in data.get("prices", ())), *data.get("money_assumptions", ())]
    return f"Assumed: {'; '.join(said)}." if said else ""


def _size_sections(sizes: Sequence[Mapping[str, Any]]) -> list[Section]:
    labels = [f"{size['cluster']}{' (best)' if size['chosen'] else ''}" for size in sizes]
    horizons = [size.get("horizon", {}) for size in sizes]
    sections = [
        Section(
            title="Clusters and numbers of nodes compared",
            body=_table("cluster", labels, horizons, sizes),
            note="Each with its own best strategy; those on which nothing fits are left out.",
        )
    ]
    if len(sizes) > 1:
        sections.append(
            Section(
                title="Time against devices",
                body=_figure(sizes, "time_devices", "devices", "count", [s["devices"] for s in sizes]),
                note="The line joins what no other beats in both.",
            )
        )
        costs = [size["rates"]["cost_per_second"] for size in sizes]
        if all(cost is not None for cost in costs):
            money = [
                (horizon.get("cost") if horizon else None) or cost / size["samples_per_s"]
                for horizon, cost, size in zip(horizons, costs, sizes, strict=True)
            ]
            unit = "USD" if all(horizons) else "USD a sample"
            sections.append(
                Section(
                    title="Time against cost",
                    body=_figure(sizes, "time_cost", "cost", unit, money),
                    note="The line joins what no other beats in both.",
                )
            )
    return sections


def _figure(
    sizes: Sequence[Mapping[str, Any]], front: str, what: str, unit: str, amounts: Sequence[float]
) -> go.Figure:
    """Training time, or seconds a sample, against an amount, with the Pareto front."""
    trained = all("horizon" in size for size in sizes)
    seconds = [size["horizon"]["training_time"] if trained else 1 / size["samples_per_s"] for size in sizes]
    time = scale("duration" if trained else "s", seconds)
    times = [value / time.size for value in seconds]
    figure = new_figure(height=420)
    line = [index for index, size in enumerate(sizes) if front in size["fronts"]]
    line.sort(key=lambda index: times[index])
    figure.add_scatter(
        mode="lines",
        name="Pareto front",
        x=[amounts[index] for index in line],
        y=[times[index] for index in line],
        line={"shape": "hv", "color": ROLES["front"], "width": 2},
    )
    for name, chosen, colour in (("sizes", False, ROLES["sizes"]), ("best", True, ROLES["best"])):
        shown = [index for index, size in enumerate(sizes) if size["chosen"] is chosen]
        figure.add_scatter(
            mode="markers",
            name=name,
            x=[amounts[index] for index in shown],
            y=[times[index] for index in shown],
            text=[f"{sizes[index]['cluster']}: {sizes[index]['strategy_text']}" for index in shown],
            marker={"size": 11, "color": colour, "line": {"color": BLACK, "width": 1}},
            hovertemplate=f"%{{text}}<br>%{{x:,.4~r}} {unit}, {time.shown('y')}<extra></extra>",
        )
    figure.update_xaxes(axis(what, unit))
    figure.update_yaxes(axis("training time" if trained else "time of a sample", time.unit))
    return figure


def _table(
    first: str,
    labels: Sequence[str],
    horizons: Sequence[Mapping[str, Any]],
    sizes: Sequence[Mapping[str, Any]] = (),
) -> Table:
    """Trainings as a table; for sizes with their step and strategy too."""
    keys = [(key, name) for key, name in COLUMNS if any(each.get(key) is not None for each in horizons)]
    header = (first, *(name for _, name in keys), *(("step time", "strategy") if sizes else ()))
    rows = []
    for place, (label, horizon) in enumerate(zip(labels, horizons, strict=True)):
        cells = [Cell(text=label), *(_cell(key, horizon.get(key)) for key, _ in keys)]
        if sizes:
            step = sizes[place]["step_time"]
            cells += [Cell(text=format_seconds(step), value=step), Cell(text=sizes[place]["strategy_text"])]
        rows.append(tuple(cells))
    return Table(header=header, rows=tuple(rows))


def _cell(key: str, value: float | None) -> Cell:
    if value is None:
        return Cell(text="-")
    if key == "training_time":
        return Cell(text=format_duration(value), value=value)
    return Cell(text=f"{value:.2%}" if key == "goodput" else format_rate(value), value=value)
