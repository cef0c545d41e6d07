"""Savers that a limit does not ask for are taken off a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.memory_savers.relief import ITEMS, one_by_one, relieved
from simdl.memory.savers import KEPT, Saver, Segment, block_savers, format_row, savers_row

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


@pytest.mark.parametrize(
    ("limit", "written"),
    [  # bytes: an input 1, a kept block 10
        (775, "keep, 5x full, 76x keep"),
        (774, "keep, 2x [2x keep], full, 76x keep"),
    ],
)
def test_segments_are_written_only_where_the_limit_asks_for_them(limit, written):
    """Blocks that a segment computes again take as long one by one, and keep their inputs."""

    def measure(row):
        nbytes = sum(10 if item == KEPT else 1 for item in row)
        return 1.0 if nbytes <= limit else None

    row = savers_row("keep, 2x [2x keep], full, 76x keep", 82)
    assert format_row(one_by_one(row, 1.0, measure)) == written


def test_states_in_host_memory_stay_there_and_slower_plans_are_not_taken():
    row = savers_row("[keep, optimizer], full", 3)
    assert format_row(one_by_one(row, 1.0, lambda _: 1.0)) == "full, full+optimizer, full"
    assert one_by_one(row, 1.0, lambda _: 1.1) == row
    sent = savers_row("[2x keep]+offload, [full, keep], keep", 5)
    assert one_by_one(sent, 1.0, lambda _: 1.0) == sent
