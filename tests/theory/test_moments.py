"""What lives briefly at its own moment: against a walk through blocks, and many rows against each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simdl.memory.moments import brief_need, brief_needs, frees_blocks
from simdl.step.strategy import Strategy

pytestmark = pytest.mark.theory
BYTES = st.integers(0, 10**12).map(float)  # sums are exact


@given(st.lists(st.tuples(BYTES, BYTES), min_size=1, max_size=12))
def test_the_need_is_that_of_a_backward_pass_walked_block_by_block(parts):
    live = whole = sum(kept for _, kept in parts)
    most = whole
    for brief, kept in reversed(parts):
        most = max(most, live + brief)
        live -= kept
    assert whole + brief_need(parts) == most
    assert brief_need(parts) <= max(brief for brief, _ in parts)


@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_rows_and_stages_are_counted_as_each_alone(rows, blocks, data):
    row = st.lists(BYTES, min_size=blocks, max_size=blocks)
    brief, kept = (np.array(data.draw(st.lists(row, min_size=rows, max_size=rows))) for _ in range(2))
    stages = data.draw(st.lists(st.lists(st.integers(0, blocks - 1), max_size=8), min_size=1, max_size=4))
    stages.append([0])
    alone = [
        [brief_need((one[block], other[block]) for block in stage) for stage in stages]
        for one, other in zip(brief.tolist(), kept.tolist(), strict=True)
    ]
    assert brief_needs(brief, kept, stages).tolist() == alone


@pytest.mark.parametrize(
    ("schedule", "frees"), [("1f1b", True), ("gpipe", True), ("interleaved-1f1b", True), ("zb-h1", False)]
)
def test_gradients_of_weights_in_passes_of_their_own_free_nothing_before(schedule, frees):
    virtual = 2 if schedule.startswith("interleaved") else 1
    strategy = Strategy(pp=2, schedule=schedule, virtual_stages=virtual)
    assert frees_blocks(strategy) is frees
