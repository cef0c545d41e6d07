"""A schedule that nothing names: registered, it is simulated, bounded, planned, drawn and traced."""

from dataclasses import replace

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.pages.figures.timeline import gantt_figure
from planner.search.best_first import search
from planner.space.candidates import Limits, enumerate_space
from simdl.errors import StrategyError
from simdl.pipelines import pipeline, registered
from simdl.pipelines.passes import Pass, PassKind
from simdl.pipelines.pipeline import Pipeline
from simdl.report.chrome_trace import chrome_trace
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

NAME = "pairs-of-two"


def build_pairs(ranks, microbatches, _virtual_stages):
    """Two microbatches forward, then both backward, weight gradients last: an order of this test alone."""
    kinds = PassKind.FORWARD, PassKind.INPUT_GRADIENT, PassKind.WEIGHT_GRADIENT
    return tuple(
        tuple(
            Pass(kind, microbatch, rank)
            for first in range(0, microbatches, 2)
            for kind in kinds
            for microbatch in (first, first + 1)
        )
        for rank in range(ranks)
    )


def even(_ranks, microbatches, virtual_stages):
    if microbatches % 2:
        yield f"microbatches: found {microbatches}; expected an even number"
    if virtual_stages != 1:
        yield f"virtual stages: found {virtual_stages}; expected 1"


@pytest.fixture(scope="module", autouse=True)
def _known():
    added = Pipeline(name=NAME, description="of a test", build=build_pairs, problems=even)
    with registered(added):
        yield


@pytest.fixture(scope="module")
def case():
    """Workload, cluster, stack and pricing of a step in which gradients and messages run beside passes."""
    workload, cluster = build_workload(build_network(8), global_batch=16), build_cluster(2)
    stack = build_stack(gradient_overlap=True, pipeline_overlap=True, bucket=1e5, contention=0.1)
    return workload, cluster, stack, price(workload, cluster, stack=stack)


@pytest.fixture(scope="module")
def simulation(case):
    workload, cluster, stack, _ = case
    return simulate(workload, cluster, Strategy(dp=2, pp=4, schedule=NAME, zero=1), stack=stack)


def test_it_is_simulated(simulation):
    report = simulation.report
    names = [task.name for task in simulation.timeline.program.tasks]
    assert names.count("input gradient") == 4 * 8
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time, rel=1e-9)
    assert 0 < report.mfu < 1


def test_it_is_bounded(case, simulation):
    workload, _, _, pricing = case
    bound = estimate_bound(simulation.report.strategy, workload, pricing)
    assert 0.5 * simulation.report.step_time < bound <= simulation.report.step_time * (1 + 1e-9)


def test_its_sizes_are_refused_alike(case):
    workload, cluster, stack, pricing = case
    strategy = Strategy(dp=2, pp=4, schedule=NAME, micro_batch=8)
    message = f"schedule {NAME}: microbatches: found 1; expected an even number"
    for refuse in (
        lambda: simulate(workload, cluster, strategy, stack=stack),
        lambda: estimate_bound(strategy, workload, pricing),
    ):
        with pytest.raises(StrategyError, match=message):
            refuse()


def test_it_is_planned(case):
    workload, _, stack, pricing = case
    space = enumerate_space(workload, pricing.cluster, limits=Limits(schedules=(NAME,)))
    of_it = np.flatnonzero(np.array(space.schedules)[space.schedule] == NAME)
    assert len(of_it) > 100
    assert (space.microbatches[of_it] % 2 == 0).all()
    bounds = estimate_bounds(space, workload, pricing)
    ranking = search(space, bounds, of_it, workload, pricing, top=3)
    assert ranking.certified
    every = [
        simulate(workload, pricing.cluster, space.strategy(index), stack=stack).report
        for index in of_it[np.argsort(bounds.step_time[of_it])][:40].tolist()
    ]
    fastest = sorted(report.step_time for report in every if report.feasible)[:3]
    assert [found.step_time for found in ranking.best] == pytest.approx(fastest, rel=1e-12)
    assert {found.report.strategy.schedule for found in ranking.best} == {NAME}


def test_it_is_among_the_plans_of_a_stack_that_takes_orders_as_data(case):
    workload, _, _, pricing = case
    space = enumerate_space(workload, pricing.cluster)
    assert NAME in np.array(space.schedules)[space.schedule]


def test_it_is_drawn(simulation):
    drawn = {trace.name for trace in gantt_figure(simulation.timeline).data}
    assert {"forward", "input gradient", "weight gradient"} <= drawn


def test_it_is_exported_to_a_trace(simulation):
    events = [event for event in chrome_trace(simulation.timeline)["traceEvents"] if event["ph"] == "X"]
    names = [event["name"] for event in events if event["pid"] < 4]
    assert names.count("weight gradient") >= 4 * 8


def test_a_name_that_comes_to_mean_another_order_is_not_mistaken_for_the_first(case):
    workload, cluster, stack, pricing = case
    for source in ("gpipe", "1f1b", "zb-h1"):
        added = replace(pipeline(source), name="borrowed")
        with registered(added):
            found, alike = (Strategy(dp=2, pp=4, zero=1, schedule=name) for name in ("borrowed", source))
            own, other = (simulate(workload, cluster, each, stack=stack).report for each in (found, alike))
            assert (own.step_time, own.memory) == (other.step_time, other.memory)
            own, other = (estimate_bound(each, workload, pricing) for each in (found, alike))
            assert own == other


def build_waves(ranks, microbatches, virtual_stages):
    """As many microbatches as there are ranks through all virtual stages and back, then the next ones."""
    return tuple(
        tuple(
            Pass(kind, microbatch, chunk * ranks + rank)
            for first in range(0, microbatches, ranks)
            for kind, turn in ((PassKind.FORWARD, 1), (PassKind.BACKWARD, -1))
            for chunk in range(virtual_stages)[::turn]
            for microbatch in range(first, first + ranks)
        )
        for rank in range(ranks)
    )


def whole_waves(ranks, microbatches, _virtual_stages):
    if microbatches % ranks:
        yield f"microbatches: found {microbatches}; expected a multiple of {ranks}"


def test_one_of_several_stages_on_a_rank_is_taken_likewise(case):
    """Simulated, bounded, planned, drawn and traced, and its memory read off the order."""
    workload, cluster, stack, pricing = case
    added = Pipeline(name="waves", description="of a test", build=build_waves, problems=whole_waves)
    with registered(added):
        strategy = Strategy(dp=2, pp=4, schedule="waves", virtual_stages=2, zero=1)
        timeline = simulate(workload, cluster, strategy, stack=stack).timeline
        assert [task.name for task in timeline.program.tasks].count("backward") >= 2 * 4 * 8
        assert {"forward", "backward"} <= {trace.name for trace in gantt_figure(timeline).data}
        assert chrome_trace(timeline)["traceEvents"]
        space = enumerate_space(workload, cluster, limits=Limits(schedules=("waves",)))
        of_it = np.flatnonzero(space.virtual_stages > 1)
        bounds = estimate_bounds(space, workload, pricing)
        for index in of_it[:: len(of_it) // 12].tolist():
            report = simulate(workload, cluster, space.strategy(index), stack=stack).report
            assert 0.75 < bounds.step_time[index] / report.step_time <= 1 + 1e-9
            assert bounds.memory[index] == pytest.approx(report.peak_memory, rel=1e-12)
        assert search(space, bounds, of_it, workload, pricing, top=2).certified
