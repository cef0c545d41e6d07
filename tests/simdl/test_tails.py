"""Tails: what is left of a rank's passes where one of its stages is complete."""

import numpy as np
import pytest

from simdl.pipelines import PIPELINES, pipeline_order
from simdl.pipelines.passes import PassKind
from simdl.pipelines.tails import tails, tails_grow


def test_of_registered_schedules_breadth_first_alone_completes_stages_early():
    assert {name for name in PIPELINES if tails_grow(name)} == {"breadth-first"}


@pytest.mark.theory
@pytest.mark.parametrize("microbatches", [4, 9, 30])
def test_breadth_first_has_all_of_the_other_stages_left(microbatches):
    """Rank 1 of 4 completes stages 9, 5 and 1; each has one pass left and m of every stage before it."""
    found = tails("breadth-first", 4, microbatches, 3)
    assert found.stages[1].tolist() == [9, 5, 1]
    left = found.counts[PassKind.BACKWARD][1]
    expected = {0: {9: 1, 5: microbatches, 1: microbatches}, 1: {5: 1, 1: microbatches}, 2: {1: 1}}
    for place, row in enumerate(left.tolist()):
        assert {stage: count for stage, count in enumerate(row) if count} == expected[place]
    assert not found.counts[PassKind.FORWARD].any()


@pytest.mark.property
@pytest.mark.parametrize("virtual", [2, 3])
def test_tails_of_long_orders_are_those_of_the_order(virtual):
    for ranks in (2, 3, 4):
        for microbatches in (1, ranks, 3 * ranks, 5 * ranks + 1, 9 * ranks):
            found = tails("breadth-first", ranks, microbatches, virtual)
            for rank, order in enumerate(pipeline_order("breadth-first", ranks, microbatches, virtual)):
                for place, stage in enumerate(found.stages[rank].tolist()):
                    last = max(
                        at for at, one in enumerate(order) if one.kind.completes and one.stage == stage
                    )
                    counts = np.zeros(ranks * virtual, dtype=int)
                    np.add.at(counts, [one.stage for one in order[last:] if one.kind.sends_back], 1)
                    assert found.counts[PassKind.BACKWARD][rank, place].tolist() == counts.tolist()
