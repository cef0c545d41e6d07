"""Savers that a limit does not ask for are taken off a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.memory_savers.relief import ITEMS, relieved
from simdl.memory.savers import KEPT, Saver, Segment, block_savers

FULL, SENT = Saver("full"), Saver(offload=True)
SECONDS = {KEPT: 1.0, FULL: 2.0, SENT: 1.5}
ROWS = st.lists(st.sampled_from([KEPT, FULL, SENT, Segment(((2, KEPT),))]), min_size=1, max_size=6).map(tuple)


def kept(row):
    return sum(item == KEPT for item in row)


def seconds(row):
    return sum(4.0 if isinstance(item, Segment) else SECONDS[item] for item in row)


@pytest.mark.property
@given(row=ROWS, room=st.integers(0, 6))
def test_the_plan_keeps_as_many_blocks_as_have_room_and_the_slowest_first(row, room):
    def measure(other):
        return seconds(other) if kept(other) <= max(room, kept(row)) else None

    found = relieved(row, seconds(row), measure)
    assert len(block_savers(found)) == len(block_savers(row))
    assert seconds(found) <= seconds(row)
    assert kept(found) <= max(room, kept(row))
    left = [item for item in found if item != KEPT]
    assert not left or kept(found) + 2 > room


def test_a_plan_of_many_items_is_left_alone():
    row = (FULL,) * (ITEMS + 1)
    assert relieved(row, 1.0, lambda _: 0.0) == row
