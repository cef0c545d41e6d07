"""The sections of a per-layer plan: how every layer is split, and the step next to the best plain one."""

from collections.abc import Iterator

from planner.figures.layers import layers_figure
from planner.figures.shares import breakdown_figure
from planner.format import format_seconds
from planner.layer_times import LayerTime
from planner.layerwise import LayerPlan
from planner.plan import PlanResult
from planner.report_page import Cell, Section, Table

HEADER = ("place", "layer", "split", "copies", "computation", "exchange", "resharding", "gradient sum")
TIMES = (
    "Seconds on every rank over all copies of a layer, with the layers that follow it. Communication: time "
    "under way, hidden behind computation or not; of gradients, a layer's share of the buckets they fill."
)


def layer_sections(found: LayerPlan | None, result: PlanResult) -> tuple[Section, ...]:
    """What a per-layer plan shows; nothing where there is none."""
    if found is None:
        return ()
    bars = [*(("plan 1", plan.report.breakdown) for plan in result.plans[:1]), ("per layer", found.breakdown)]
    return (
        Section(
            title="Per layer: where the time goes",
            body=breakdown_figure(bars),
            note=" ".join([*compare_layers(found, result), "Every bar adds up to the step time."]),
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


def compare_layers(found: LayerPlan | None, result: PlanResult) -> Iterator[str]:
    """A sentence on the per-layer step and the best plan, which divides all layers alike; none without."""
    if found is None or not result.plans:
        return
    step = result.plans[0].report.step_time
    gain = step / found.step_time - 1
    against = f"{abs(gain):.1%} {'faster' if gain >= 0 else 'slower'} than plan 1 ({format_seconds(step)})"
    yield (
        f"With every layer split its own way a step takes {format_seconds(found.step_time)}, {against}, "
        "the best that divides all layers alike."
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
