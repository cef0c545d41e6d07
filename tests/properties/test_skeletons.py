"""Longest paths of a skeleton: no rank ends its passes earlier when the whole order runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.bounds.paths import walk_nodes
from simdl.pipelines import PIPELINES, pipeline, pipeline_order
from simdl.pipelines.passes import Phase, needs, passes_of, results
from simdl.pipelines.skeleton import skeleton
from simdl.pipelines.walk import walk

pytestmark = pytest.mark.property
SECONDS = st.integers(1, 8).map(float)
DRAWN = 12
"""Distinct seconds of a case."""


def ends_of_passes(orders, chain, places, seconds, origin, *, blocking):
    """[s] when every rank has ended its passes, by running the whole order; -inf: nothing comes before."""
    free = [0.0 if origin in {None, rank} else -np.inf for rank in range(len(orders))]
    lanes, there, ends = {}, {}, list(free)
    for rank, position in walk(orders, chain):
        entry = orders[rank][position]
        key = tuple((one.kind, one.stage) for one in passes_of(entry))
        wanted = (need for one in passes_of(entry) for need in needs(one, chain))
        sent = [there[need] for need in wanted if places[need.stage] != rank]
        free[rank] = ends[rank] = max([free[rank], *sent]) + seconds(key)
        for one in passes_of(entry):
            for result in results(one):
                to = {Phase.FORWARD: one.stage + 1, Phase.INPUT_GRADIENT: one.stage - 1}.get(result.phase, -1)
                there[result] = ends[rank]
                if to < 0 or to // chain != one.stage // chain or places[to] == rank:
                    continue
                took, lane = seconds(min(to, one.stage)), (rank, to > one.stage)
                if blocking:
                    there[result] = free[rank] = free[rank] + took
                else:
                    there[result] = lanes[lane] = max(ends[rank], lanes.get(lane, -np.inf)) + took
    return np.array(ends)


@st.composite
def cases(draw):
    name = draw(st.sampled_from([each for each, found in PIPELINES.items() if found.flushes]))
    ranks = draw(st.sampled_from([2, 4]))
    virtual = draw(st.sampled_from([1, 2]))
    microbatches = ranks * draw(st.sampled_from([1, 2, 3, 7]))
    if any(pipeline(name).problems(ranks, microbatches, virtual)):
        name, virtual = "zb-h1", 1
    drawn = draw(st.lists(SECONDS, min_size=DRAWN, max_size=DRAWN))
    return name, ranks, microbatches, virtual, drawn, draw(st.booleans()), draw(st.sampled_from([None, 0, 1]))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_no_rank_ends_earlier_than_the_longest_path_of_its_skeleton(case):
    name, ranks, microbatches, virtual, drawn, blocking, origin = case
    known = {}

    def seconds(key):
        return drawn[known.setdefault(key, len(known)) % DRAWN]

    nodes = skeleton(name, ranks, microbatches, virtual, blocking=blocking)
    columns = np.array([[seconds(key)] for key in (*nodes.entries, *range(nodes.stages))])
    begins = np.array([0.0 if origin in {None, rank} else -np.inf for rank in range(ranks)])
    found = walk_nodes(nodes, columns, begins)[nodes.last, 0]
    orders = pipeline_order(name, ranks, microbatches, virtual)
    chain, place = ranks * virtual, pipeline(name).place
    places = [place(stage, ranks, virtual) for stage in range(nodes.stages)]
    whole = ends_of_passes(orders, chain, places, seconds, origin, blocking=blocking)
    assert (found <= whole * (1 + 1e-12)).all()
    if not nodes.inserted:
        assert found == pytest.approx(whole)


@pytest.mark.parametrize(("name", "virtual"), [("dualpipe", 1), ("zb-h2", 1), ("zb-v", 2), ("1f1b", 1)])
def test_rounds_that_are_left_out_come_to_what_they_take(name, virtual):
    """With equal stages the skeleton of 64 microbatches says to 0.5 % when four ranks end."""
    kinds = {Phase.FORWARD: 2.0, Phase.INPUT_GRADIENT: 3.0, Phase.WEIGHT_GRADIENT: 1.0}

    def seconds(key):
        return 0.0 if isinstance(key, int) else sum(kinds[each] for kind, _ in key for each in kind.each)

    nodes = skeleton(name, 4, 64, virtual, blocking=False)
    assert nodes.inserted > 0
    columns = np.array([[seconds(key)] for key in (*nodes.entries, *range(nodes.stages))])
    found = walk_nodes(nodes, columns, np.zeros(4))[nodes.last, 0]
    places = [pipeline(name).place(stage, 4, virtual) for stage in range(nodes.stages)]
    orders = pipeline_order(name, 4, 64, virtual)
    assert found == pytest.approx(
        ends_of_passes(orders, 4 * virtual, places, seconds, None, blocking=False), rel=5e-3
    )
