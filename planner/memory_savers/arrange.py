"""From counts to a plan: which blocks of a run take which option.

What goes over the link to the host is spread evenly over a run, so that copies run beside computation; blocks
that keep everything come last, because their backward pass comes first. The host updates the last blocks,
whose gradients are there first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from planner.memory_savers.options import Option, RankProblem, Run
from planner.memory_savers.rank_choice import RankChoice
from simdl.memory.savers import Row, Saver, Segment, counted, item_length


def chosen_items(problem: RankProblem, choice: RankChoice) -> Iterator[tuple[int, Row]]:
    """First place and plan of every run of a rank."""
    for run, counts, optimizer, parameters in zip(
        problem.runs, choice.counts, choice.optimizer, choice.parameters, strict=True
    ):
        items = list(_spread(run.options, counts))
        yield run.first, tuple(_hosted(items, run, optimizer, parameters))


def _spread(options: Sequence[Option], counts: Sequence[int]) -> Iterator[Saver | Segment]:
    """Items in order: those that are copied evenly among the others."""
    taken = [option for option, count in zip(options, counts, strict=True) for _ in range(count)]
    copied = [option.items for option in taken if option.offloaded]
    others = [
        option.items for option in sorted(taken, key=lambda o: o.saved / o.blocks) if not option.offloaded
    ]
    whole = len(copied) + len(others)
    sent = kept = 0
    for place in range(whole):
        if kept == len(others) or (sent < len(copied) and sent * whole <= place * len(copied)):
            yield from copied[sent]
            sent += 1
        else:
            yield from others[kept]
            kept += 1


def _hosted(
    items: Sequence[Saver | Segment], run: Run, optimizer: int, parameters: int
) -> Iterator[Saver | Segment]:
    """Items whose last blocks have their state in host memory."""
    place = 0
    for item in items:
        size = item_length(item)
        flags = [
            (run.count - place - index <= optimizer, run.count - place - index <= parameters)
            for index in range(size)
        ]
        yield _flagged(item, flags)
        place += size


def _flagged(item: Saver | Segment, flags: Sequence[tuple[bool, bool]]) -> Saver | Segment:
    if isinstance(item, Saver):
        return replace(item, optimizer=flags[0][0], parameters=flags[0][1])
    inner, place = [], 0
    for count, each in item.items:
        for _ in range(count):
            size = item_length(each)
            inner.append(_flagged(each, flags[place : place + size]))
            place += size
    return replace(item, items=counted(tuple(inner)))
