"""Parts of an order: up to each update, and where stages begin and complete."""

from collections.abc import Iterator

from simdl.pipelines.passes import Entry, Order, all_passes, passes_of


def updates(order: Order) -> Iterator[Order]:
    """The parts of an order that each end with the gradient of one microbatch complete, to be applied."""
    part: list[Entry] = []
    for entry in order:
        part.append(entry)
        if any(each.kind.completes for each in passes_of(entry)):
            yield part
            part = []


def ends(order: Order) -> tuple[set[int], set[int]]:
    """Places in an order of the first forward pass and of the last completing pass of each stage."""
    passes = all_passes(order)
    apart = len(passes) == len(order)
    places = range(len(order)) if apart else [n for n, entry in enumerate(order) for _ in passes_of(entry)]
    what = [(kind, stage) for kind, _, stage in passes]
    begins: dict[int, int] = {}
    completes: dict[int, int] = {}
    for kind, stage in set(what):  # few, each looked for once
        if kind.acquires:
            place = places[what.index((kind, stage))]
            begins[stage] = min(place, begins.get(stage, place))
        if kind.completes:
            place = places[len(what) - 1 - what[::-1].index((kind, stage))]
            completes[stage] = max(place, completes.get(stage, place))
    return {*begins.values()}, {*completes.values()}
