"""Savers taken off a plan one at a time, while the ledger has room and the simulated step gets shorter.

The programme counts what its chains see, and plans of the literature save alike in every block; both may save
more than a limit asks for. From a plan that fits, the step that gains most is taken: a segment that keeps its
blocks, a block that computes nothing again, that stays on the device, or whose state does. What results is
never slower than the plan it starts from.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from simdl.memory.savers import KEPT, Row, Saver, Segment, item_length

ITEMS = 32
"""Items of a plan, at most: each is tried in every round."""
TRIALS = 200
"""Plans that are simulated, at most."""

Measure = Callable[[Row], float | None]
"""[s] of a plan's step; None where it does not fit."""


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
