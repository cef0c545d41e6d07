"""The dynamic programme of stage cuts against all cuts."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simdl.step.cuts.stage_cut import (
    balanced_cut,
    cheapest_cut,
    fastest_cut,
    least_slowest,
    range_sums,
    stage_costs,
)

chains = st.lists(st.integers(0, 50), min_size=1, max_size=9)


def all_cuts(depth, stages):
    for places in combinations(range(1, depth), stages - 1):
        yield tuple(b - a for a, b in pairwise((0, *places, depth)))


@st.composite
def costed_chains(draw):
    """A table per stage: the chain's sums, what the stage adds where it ends, and places it may not take."""
    chain = draw(chains)
    stages = draw(st.integers(1, len(chain)))
    tables = []
    for _ in range(stages):
        extra = draw(st.lists(st.integers(0, 9), min_size=len(chain) + 1, max_size=len(chain) + 1))
        limit = draw(st.sampled_from([20, 60, 1000]))
        sums = range_sums(chain)
        tables.append(np.where(sums <= limit, sums + np.array(extra), np.inf))
    return len(chain), tables


@pytest.mark.property
@settings(deadline=None, max_examples=150)
@given(costed_chains())
def test_the_cut_of_least_slowest_stage_equals_brute_force(case):
    depth, tables = case
    least = min(max(stage_costs(tables, cut)) for cut in all_cuts(depth, len(tables)))
    cut = fastest_cut(tables)
    if np.isinf(least):
        assert cut is None
    else:
        assert (len(cut), sum(cut), min(cut) >= 1) == (len(tables), depth, True)
        assert max(stage_costs(tables, cut)) == least


@pytest.mark.property
@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.data())
def test_the_balanced_cut_of_sums_is_the_fastest_cut(values, data):
    stages = data.draw(st.integers(1, len(values)))
    assert balanced_cut(values, stages) == fastest_cut([range_sums(values)] * stages)


@pytest.mark.property
@settings(deadline=None, max_examples=80)
@given(costed_chains())
def test_the_cut_of_least_total_equals_brute_force(case):
    depth, tables = case
    least = min(sum(stage_costs(tables, cut)) for cut in all_cuts(depth, len(tables)))
    cut = cheapest_cut(tables)
    assert (cut is None and np.isinf(least)) or sum(stage_costs(tables, cut)) == least


@pytest.mark.property
@settings(deadline=None, max_examples=50)
@given(chains)
def test_tables_of_all_first_blocks_hold_what_each_gives_alone(chain):
    table = range_sums(chain)
    both = least_slowest(table, table)
    for first in range(len(chain)):
        assert both[first].tolist() == least_slowest(table[first], table).tolist()


@pytest.mark.theory
@pytest.mark.parametrize(("blocks", "stages"), [(12, 4), (13, 4), (96, 32), (5, 5)])
def test_equal_blocks_take_the_mean_rounded_up(blocks, stages):
    tables = [range_sums([1.0] * blocks)] * stages
    assert max(stage_costs(tables, fastest_cut(tables))) == -(-blocks // stages)


def test_more_stages_than_blocks_have_no_cut():
    assert fastest_cut([range_sums([1.0, 2.0])] * 3) is None
    assert cheapest_cut([range_sums([1.0, 2.0])] * 3) is None


def test_equally_fast_cuts_are_as_fast_as_can_be_up_to_every_place():
    assert fastest_cut([range_sums([4.0, 1.0, 1.0, 1.0, 6.0])] * 3) == (1, 3, 1)
