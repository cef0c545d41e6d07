"""Micro-batching against brute force: every way to cut a small batch, every choice for a few passes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.microbatch.configuration import MicroBatch, Policy, build_configuration, micro_batch_sizes
from planner.microbatch.costs import PassOptions
from planner.microbatch.desirable import desirable_configurations
from planner.microbatch.division import solve_division
from planner.microbatch.plan import Mode, plan_micro_batches
from planner.microbatch.relaxation import relax_limit
from planner.microbatch.reuse import solve_reuse
from workloads.operators import Pass

pytestmark = pytest.mark.property


@st.composite
def micro_batches(draw, sizes, algorithms=2):
    """Options of one pass; times are multiples of 1/64, so that sums are exact."""
    return tuple(
        MicroBatch(
            size=size,
            algorithm=f"algorithm {index}",
            time=draw(st.integers(1, 640)) / 64,
            workspace=float(draw(st.integers(0, 12))),
        )
        for size in sizes
        for index in range(algorithms)
    )


@st.composite
def questions(draw, batches, passes):
    """(batch, options of each pass); every size up to the batch can run."""
    batch = draw(batches)
    sizes = range(1, batch + 1)
    distinct = draw(st.lists(micro_batches(sizes), min_size=1, max_size=passes))
    return batch, [draw(st.sampled_from(distinct)) for _ in range(len(distinct))]


def all_configurations(options, batch, largest=None):
    """Every multiset of options that adds up to the batch; options in falling order of their place."""
    if batch == 0:
        yield ()
        return
    for place in range(len(options) if largest is None else largest + 1):
        if options[place].size <= batch:
            for rest in all_configurations(options, batch - options[place].size, place):
                yield (options[place], *rest)


def brute_force(options, batch):
    return [build_configuration(parts) for parts in all_configurations(options, batch)]


def as_passes(options):
    return [
        PassOptions(
            layer=f"layer {index}", which=Pass.FORWARD, measured=False, priced=len(each), options=each
        )
        for index, each in enumerate(options)
    ]


def solve(options, batch, limit, mode):
    return plan_micro_batches(as_passes(options), batch=batch, workspace=limit, mode=mode)


def of_policy(options, batch, policy):
    allowed = micro_batch_sizes(policy, batch)
    return [tuple(part for part in each if part.size in allowed) for each in options]


@given(questions(st.integers(1, 6), passes=1), st.integers(0, 12))
def test_the_dynamic_programme_equals_brute_force(question, limit):
    batch, (options,) = question
    fitting = [each.time for each in brute_force(options, batch) if each.workspace <= limit]
    found = solve_reuse(options, batch, limit)
    assert (found is None) == (not fitting)
    if found is not None:
        assert found.time == min(fitting)
        assert found.workspace <= limit
        assert sum(part.size for part in found.micro_batches) == batch


@given(questions(st.integers(1, 6), passes=1))
def test_the_desirable_set_is_the_whole_pareto_front(question):
    batch, (options,) = question
    costs = {(each.workspace, each.time) for each in brute_force(options, batch)}
    front = {
        (space, time)
        for space, time in costs
        if not any(s <= space and t <= time and (s, t) != (space, time) for s, t in costs)
    }
    found = desirable_configurations(options, batch)
    assert {(each.workspace, each.time) for each in found} == front
    assert len(found) == len(front)
    assert all(sum(part.size for part in each.micro_batches) == batch for each in found)
    for limit in {part.workspace for part in options}:
        kept = desirable_configurations(options, batch, limit)
        assert kept == tuple(each for each in found if each.workspace <= limit)


@given(questions(st.integers(1, 4), passes=3), st.integers(0, 36))
def test_the_integer_programme_equals_brute_force(question, limit):
    batch, passes = question
    every = [brute_force(options, batch) for options in passes]
    totals = [
        sum(each.time for each in choice)
        for choice in product(*every)
        if sum(each.workspace for each in choice) <= limit
    ]
    sets = [desirable_configurations(options, batch) for options in passes]
    relaxation = relax_limit(sets, limit)
    assert (relaxation is None) == (not totals)
    if relaxation is not None:
        division = solve_division(sets, limit)
        assert division.optimal
        assert sum(each.time for each in division.chosen) == min(totals)
        assert sum(each.workspace for each in division.chosen) <= limit
        assert division.bound == pytest.approx(min(totals), rel=1e-9)
        assert relaxation.bound <= min(totals) * (1 + 1e-9)
        assert relaxation.known >= min(totals)


@given(questions(st.integers(1, 6), passes=3), st.integers(36, 60), st.sampled_from(Mode))
def test_more_freedom_is_never_slower(question, limit, mode):
    batch, options = question
    results = [
        solve(of_policy(options, batch, policy), batch, limit, mode)
        for policy in (Policy.ANY, Policy.POWER_OF_TWO, Policy.UNDIVIDED)
    ]
    times = [result.time for result in results]
    assert times == sorted(times)
    assert [result.undivided_time for result in results] == [times[-1]] * 3


@given(questions(st.integers(1, 6), passes=3), st.integers(36, 60), st.integers(0, 20), st.sampled_from(Mode))
def test_more_workspace_is_never_slower(question, limit, more, mode):
    batch, options = question
    tight = solve(options, batch, limit, mode)
    loose = solve(options, batch, limit + more, mode)
    assert loose.time <= tight.time
    assert tight.workspace <= limit
    assert loose.workspace <= limit + more


@given(questions(st.integers(1, 5), passes=3))
def test_dividing_the_sum_of_what_reuse_takes_is_as_fast(question):
    batch, options = question
    reuse = solve(options, batch, 8, Mode.REUSE) if _fits(options, batch, 8) else None
    if reuse is not None:
        total = sum(choice.configuration.workspace for choice in reuse.choices)
        assert solve(options, batch, max(total, 1.0), Mode.DIVISION).time <= reuse.time


def _fits(options, batch, limit):
    return all(solve_reuse(each, batch, limit) is not None for each in options)
