"""Savers taken off a plan one at a time, while the ledger has room and the simulated step gets shorter.

The programme counts what its chains see, and plans of the literature save alike in every block; both may save
more than a limit asks for. From a plan that fits, the step that gains most is taken: a segment that keeps its
blocks, a block that computes nothing again, that stays on the device, or whose state does. What results is
never slower than the plan it starts from.

Segments that save more than a limit asks for become blocks that are computed again one by one: all their
inputs are kept, the time is the same, and the plan reads more easily.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from simdl.memory.savers import KEPT, Row, Saver, Segment, block_savers, item_length

ITEMS = 32
"""Items of a plan, at most: each is tried in every round."""
TRIALS = 200
"""Plans that are simulated, at most."""

SAME = 1e-9
"""Relative difference of step times that counts as none."""

Measure = Callable[[Row], float | None]
"""[s] of a plan's step; None where it does not fit."""
Relief = Callable[[Row, float, Measure], Row]
"""A plan that fits and [s] of its step make one that need not save as much."""


def relieved(row: Row, seconds: float, measure: Measure) -> Row:
    """The plan without what it need not save.

    Args:
        row: a plan that fits.
        seconds: [s] of its step.
        measure: of any plan.
    """
    if len(row) > ITEMS:
        return row
    trials = 0
    while trials < TRIALS:
        best = None
        for other in _relaxed(row):
            trials += 1
            time = measure(other)
            if time is not None and time < seconds:
                best, seconds = other, time
        if best is None:
            break
        row = best
    return row


def one_by_one(row: Row, seconds: float, measure: Measure) -> Row:
    """The plan with blocks computed again one by one in place of segments that the limit does not ask for.

    Args:
        row: a plan that fits.
        seconds: [s] of its step.
        measure: of any plan.
    """
    for segment in dict.fromkeys(filter(_keeps_blocks, row)):
        blocks = tuple(replace(saver, mode="full") for saver in block_savers((segment,)))
        other = tuple(each for item in row for each in (blocks if item == segment else (item,)))
        time = measure(other)
        if time is not None and time <= seconds * (1 + SAME):
            row = other
    return row


def _keeps_blocks(item: Saver | Segment) -> bool:
    """Whether an item is a segment on the device that keeps all its blocks when it runs again."""
    if not isinstance(item, Segment) or item.offload:
        return False
    return all(isinstance(each, Saver) and each.mode == "keep" for _, each in item.items)


def _relaxed(row: Row) -> Iterator[Row]:
    """Plans that save less in one item."""
    for place, item in enumerate(row):
        for other in dict.fromkeys(_less(item)):
            if other == (item,):
                continue
            yield (*row[:place], *other, *row[place + 1 :])


def _less(item: Saver | Segment) -> Iterator[Row]:
    """What may stand in an item's place."""
    if isinstance(item, Segment):
        yield (KEPT,) * item_length(item)
        return
    yield (replace(item, mode="keep"),)
    yield (replace(item, offload=False),)
    yield (replace(item, parameters=False),)
    yield (replace(item, optimizer=False, parameters=False),)
    yield (KEPT,)


RELIEFS: tuple[Relief, ...] = (relieved, one_by_one)
