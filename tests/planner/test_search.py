"""The search finds what simulating everything would find, and says when it did not look far enough."""

from dataclasses import replace

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.bounds.estimate import estimate_bounds
from planner.search import best_first
from planner.search.best_first import search
from planner.space.candidates import enumerate_space
from simdl.memory.needs import usable_memory
from simdl.step.lowering.folding import run_step
from simdl.step.simulate import price, simulate


@pytest.fixture(scope="module")
def case():
    workload = build_workload(build_network(4, vocab=4000), global_batch=8)
    cluster, stack = build_cluster(1, memory_capacity=2.3e9), build_stack(pipeline_overlap=True)
    pricing = price(workload, cluster, stack=stack)
    space = enumerate_space(workload, cluster)
    bounds = estimate_bounds(space, workload, pricing)
    fits = np.flatnonzero(bounds.memory <= usable_memory(stack, cluster.device))
    return space, bounds, fits, workload, pricing


def test_ranking_is_that_of_simulating_everything(case):
    space, _, fits, workload, pricing = case
    reports = [
        simulate(workload, pricing.cluster, space.strategy(int(index)), stack=pricing.stack).report
        for index in fits
    ]
    expected = sorted(report.step_time for report in reports if report.feasible)[:7]
    ranking = search(*case, top=7)
    assert ranking.certified
    assert [found.step_time for found in ranking.best] == pytest.approx(expected, rel=1e-12)
    assert 0 < len(fits) < len(space)


def test_few_candidates_are_simulated(case):
    assert search(*case, top=3).simulated < len(case[2]) / 4


def test_a_limit_of_simulations_costs_the_certificate(case):
    ranking = search(*case, top=5, max_simulations=2)
    assert not ranking.certified
    assert ranking.simulated == len(ranking.best) == 2


def test_a_space_smaller_than_top_is_certified(case):
    space, bounds, fits, workload, pricing = case
    ranking = search(space, bounds, fits[:3], workload, pricing, top=5)
    assert ranking.certified
    assert ranking.simulated == len(ranking.best) == 3


def test_progress_counts_up_to_what_had_to_be_decided(case):
    calls = []
    ranking = search(*case, top=3, progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
    assert len(calls) >= ranking.simulated
    assert calls[-1][0] <= max(calls[-1][1], len(calls))


def test_search_is_deterministic(case):
    assert search(*case, top=5) == search(*case, top=5)


def test_steps_whose_longest_path_is_too_long_are_not_run(case, monkeypatch):
    """Loose bounds let through what the longest path then rules out; the ranking is the same."""
    space, bounds, fits, workload, pricing = case

    def look(candidates):
        memory, seconds = bounds.look(candidates)
        return memory, lambda wanted: 0.8 * seconds(wanted)

    def loose():
        return replace(bounds, look=look, work=0.8 * bounds.work)

    ranking = search(space, loose(), fits, workload, pricing, top=2)
    monkeypatch.setattr(best_first, "run_faster_step", lambda step, _: run_step(step))
    every = search(space, loose(), fits, workload, pricing, top=2)
    assert ranking.best == every.best
    assert ranking.simulated < every.simulated


def test_candidates_come_in_the_order_of_their_bounds_and_not_all_are_looked_at_closely(case):
    """As sorting all of them says; what does not fit is left out."""
    space, _, fits, workload, pricing = case
    bounds = estimate_bounds(space, workload, pricing)
    in_order = bounds.in_order(np.arange(len(space)))
    first = [next(in_order) for _ in range(3)]
    looked_at = np.count_nonzero(~np.isnan(bounds._found[1]))
    assert 3 <= looked_at < len(fits)
    found = [*first, *in_order]
    assert sorted(candidate for candidate, _ in found) == fits.tolist()
    seconds = bounds.step_times(fits)
    assert [least for _, least in found] == sorted(seconds.tolist())
    assert dict(found) == dict(zip(fits.tolist(), seconds.tolist(), strict=True))
    assert bounds.nearest(fits) == found[0][0]
    assert bounds.fits.tolist() == fits.tolist()
    assert (bounds.work <= bounds.step_time).all()
