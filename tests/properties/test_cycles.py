"""Round trips between stages of a pipeline: no gradient comes back earlier, and the slowest sets the pace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simdl.pipelines import PIPELINES, pipeline_order
from simdl.pipelines.lags import lags, read_lags
from simdl.pipelines.passes import Phase, needs, passes_of, results
from simdl.step.costs.cycles import cycle_ends, slowest_cycle

pytestmark = pytest.mark.property
SECONDS = st.integers(1, 8).map(float)
CHAINED = ("1f1b", "gpipe", "interleaved-1f1b", "breadth-first", "zb-h1")
"""Schedules whose ranks end a step together and hold every stage once."""


def returns(orders, stages, seconds):
    """[s] when the last gradient of each stage is there, by running the orders."""
    forward, back, rest, sent = seconds
    took = {Phase.FORWARD: forward, Phase.INPUT_GRADIENT: back, Phase.WEIGHT_GRADIENT: rest}
    done, free, places = {}, [0.0] * len(orders), [0] * len(orders)
    ends = np.zeros(stages)
    while any(place < len(order) for place, order in zip(places, orders, strict=True)):
        for rank, order in enumerate(orders):
            while places[rank] < len(order):
                (one,) = passes_of(order[places[rank]])
                wanted = list(needs(one, stages))
                if any(need not in done for need in wanted):
                    break
                ready = [
                    done[need] + (sent[min(need.stage, one.stage)] if need.stage != one.stage else 0.0)
                    for need in wanted
                ]
                end = max([free[rank], *ready]) + sum(took[phase][one.stage] for phase in one.kind.each)
                free[rank] = end
                done.update(dict.fromkeys(results(one), end))
                if one.kind.sends_back:
                    ends[one.stage] = max(ends[one.stage], end)
                places[rank] += 1
    return ends


@st.composite
def pipelines(draw):
    name = draw(st.sampled_from(CHAINED))
    ranks = draw(st.integers(2, 5))
    virtual = draw(st.integers(1, 2)) if name in {"interleaved-1f1b", "breadth-first"} else 1
    microbatches = ranks * draw(st.integers(3, 6))
    stages = ranks * virtual
    rows = [draw(st.lists(SECONDS, min_size=stages, max_size=stages)) for _ in range(4)]
    return name, ranks, microbatches, virtual, np.array(rows) / [[1], [1], [1], [4]]


@given(pipelines())
def test_no_gradient_comes_back_before_its_round_trips_end(case):
    name, ranks, microbatches, virtual, seconds = case
    found = lags(name, ranks, microbatches, virtual)
    if found is None:
        return
    forward, back, rest, sent = seconds
    sent[-1] = 0.0
    whole = back if name == "zb-h1" else back + rest  # the pass that sends back also completes gradients
    head = np.cumsum(forward + sent) - (forward + sent)
    rows = (each[None] for each in (forward, whole, sent, head))
    bound = cycle_ends(found, *rows, np.array([microbatches]))[0]
    ends = returns(pipeline_order(name, ranks, microbatches, virtual), ranks * virtual, seconds)
    assert (bound <= ends * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("slow", "pace", "period"),
    [
        ((1, 2, 3), 3, 3 * 6 + 2 * 2 * 0.5),  # three stages and back over the two boundaries between them
        ((2,), 1, 6.0),  # one stage, which waits for nobody
        ((0, 1, 2, 3, 4), 5, 5 * 6 + 2 * 4 * 0.5),
    ],
)
def test_long_step_grows_by_its_slowest_round_trip(slow, pace, period):
    """Slow stages take 2 s forward and 4 s back, others half of it, a transfer 0.5 s."""
    forward = np.array([2.0 if stage in slow else 1.0 for stage in range(5)])
    sent = np.array([0.5, 0.5, 0.5, 0.5, 0.0])
    found = lags("1f1b", 5, 40)
    assert slowest_cycle(found, forward, 2 * forward, sent, 6.0) == pace
    ends = [
        returns(pipeline_order("1f1b", 5, count), 5, (forward, 2 * forward, 0 * forward, sent)).max()
        for count in (40, 40 + pace)
    ]
    assert ends[1] - ends[0] == pytest.approx(period, rel=1e-9)


def test_lags_of_one_forward_one_backward_are_its_warm_up():
    """Rank r of p holds p - r activations at most and at least p - r - 1 between its turns."""
    found = lags("1f1b", 4, 32)
    assert found.limit.tolist() == [4, 3, 2, 1]
    assert found.lead.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("name", [name for name, found in PIPELINES.items() if found.lags])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_lags_in_closed_form_are_those_of_the_order(name, ranks):
    read = read_lags(name, ranks, 4 * ranks, 1)
    limit, lead = PIPELINES[name].lags(ranks)
    assert read.limit.tolist() == limit.tolist()
    assert read.lead.tolist() == lead.tolist()


def test_schedules_whose_passes_overlap_or_whose_lags_grow_have_none():
    assert lags("gpipe", 4, 32) is None
    assert lags("dualpipe", 4, 32) is None
    assert {*CHAINED} <= {*PIPELINES}
