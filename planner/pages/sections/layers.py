"""The sections of a per-layer plan: how every layer is split, and the step next to one that splits none."""

from collections.abc import Iterator

from planner.console.format import format_seconds
from planner.pages.figures.layers import layers_figure
from planner.pages.figures.shares import breakdown_figure
from planner.pages.page import Cell, Section, Table
from planner.per_layer.search import LayerPlan
from planner.per_layer.shares import LayerTime
from planner.search.plan import PlanResult
from simdl.report.step_report import StepReport

HEADER = ("place", "layer", "split", "copies", "computation", "exchange", "resharding", "gradient sum")
TIMES = (
    "Seconds on every rank over all copies of a layer, with the layers that follow it. Communication: time "
    "under way, hidden behind computation or not; of gradients, a layer's share of the buckets they fill."
)


def layer_sections(result: PlanResult) -> tuple[Section, ...]:
    """What the best per-layer plan shows; nothing where there is none."""
    found = result.layers
    if found is None:
        return ()
    alike = result.alike.report if result.alike else None
    bars = [*([("layers alike", alike.breakdown)] if alike else ()), ("per layer", found.best.breakdown)]
    return (
        Section(
            title="Per layer: where the time goes",
            body=breakdown_figure(bars),
            note=" ".join([*_compared(found, alike), "Every bar adds up to the step time."]),
        ),
        Section(title="Per layer: time by layer", body=layers_figure(found.layers), note=TIMES),
        Section(
            title="Per layer: table",
            body=Table(
                header=HEADER,
                rows=tuple(_row(place, layer) for place, layer in enumerate(found.layers, start=1)),
            ),
        ),
    )


def _compared(found: LayerPlan, alike: StepReport | None) -> Iterator[str]:
    """A sentence on the per-layer step and the best ranked plan that divides all layers alike, if any."""
    if alike is None:
        return
    step = found.best.step_time
    gain = alike.step_time / step - 1
    yield (
        f"With every layer split its own way a step takes {format_seconds(step)}, {abs(gain):.1%} "
        f"{'faster' if gain >= 0 else 'slower'} than the best plan that divides all layers alike "
        f"({format_seconds(alike.step_time)})."
    )


def _row(place: int, layer: LayerTime) -> tuple[Cell, ...]:
    seconds = (layer.compute, layer.exchange, layer.resharding, layer.gradient_sum)
    return (
        Cell(text=str(place), value=place),
        Cell(text=layer.layer),
        Cell(text=layer.split),
        Cell(text=str(layer.copies), value=layer.copies),
        *(Cell(text=format_seconds(each), value=each) for each in seconds),
    )
