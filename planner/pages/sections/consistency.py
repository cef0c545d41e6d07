"""The page of `simdl consistency`."""

from typing import Any

from hardware.units import format_quantity
from planner.console.format import format_rate, format_seconds
from planner.pages.figures.consistency import staleness_figure, workers_figure
from planner.pages.page import Cell, Page, Section, Table
from simdl.synchrony.outcome import Outcome
from simdl.synchrony.simulate import Comparison

STEPS = 12  # that the timeline shows


def consistency_page(data: dict[str, Any], found: Comparison) -> Page:
    """The page of a comparison; ``data`` is the command's JSON."""
    outcome, unit = found.outcome, found.outcome.staleness_unit
    until = outcome.step_time * STEPS
    early = [span for span in outcome.spans if span.start < until]
    against = (
        ""
        if outcome is found.synchronous
        else f", {data['speedup']:.3g} times as fast as synchronous steps slowed alike "
        f"({format_seconds(found.synchronous.step_time)})"
    )
    first = (
        f"A step takes {format_seconds(outcome.step_time)}{against}; an undisturbed synchronous one takes "
        f"{format_seconds(found.ordinary)}."
    )
    return Page(
        title=f"{data['model']} on {data['cluster']}, {outcome.scheme}",
        headline=data["headline"],
        lines=(
            first,
            *(f"warning: {sentence}" for sentence in data["warnings"]),
            *(f"assumed: {sentence}" for sentence in data["assumptions"]),
        ),
        sections=(
            Section(
                title="Workers",
                body=workers_figure(early, unit),
                note=f"The first {STEPS} steps of up to 64 workers.",
                wide=True,
            ),
            Section(title="Staleness", body=staleness_figure(outcome.spans, unit)),
            Section(title="Against the synchronous step", body=_table(outcome, found.synchronous)),
            Section(title="What links carry", body=_links(outcome)),
        ),
        data=data,
    )


def _table(outcome: Outcome, plain: Outcome) -> Table:
    header = ("scheme", "step", "samples/s", "staleness", "largest", "waiting", "server load")
    return Table(header=header, rows=tuple(_row(each) for each in dict.fromkeys((outcome, plain))))


def _row(each: Outcome) -> tuple[Cell, ...]:
    return (
        Cell(text=each.scheme),
        Cell(text=format_seconds(each.step_time), value=each.step_time),
        Cell(text=format_rate(each.samples_per_s), value=each.samples_per_s),
        Cell(text=f"{each.staleness_mean:.4g}", value=each.staleness_mean),
        Cell(text=f"{each.staleness_max:.4g}", value=each.staleness_max),
        Cell(text=f"{each.waiting_share:z.1%}", value=each.waiting_share),
        Cell(text=f"{each.server_load:z.1%}", value=each.server_load) if each.servers else Cell(text="-"),
    )


def _links(outcome: Outcome) -> Table:
    header = ("port or memory", "of them", "bytes a step", "load of the busiest", "waiting")
    rows = (
        (
            Cell(text=link.name),
            Cell(text=str(link.count), value=link.count),
            Cell(text=format_quantity(link.bytes_per_step, "bytes"), value=link.bytes_per_step),
            Cell(text="-") if link.load is None else Cell(text=f"{link.load:z.1%}", value=link.load),
            Cell(text=format_seconds(link.waiting), value=link.waiting),
        )
        for link in outcome.links
    )
    return Table(header=header, rows=tuple(rows))
