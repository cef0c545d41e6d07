"""Parts of an order: up to each update, and where stages begin and complete."""

from collections.abc import Iterator

from simdl.pipelines.passes import Entry, Order, passes_of


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
    begins: dict[int, int] = {}
    completes: dict[int, int] = {}
    for place, entry in enumerate(order):
        for kind, _, stage in passes_of(entry):
            if kind.acquires:
                begins.setdefault(stage, place)
            if kind.completes:
                completes[stage] = place
    return {*begins.values()}, {*completes.values()}
