"""Plans whose blocks save memory each in its own way: where memory binds, and nowhere else."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.search.plan import plan
from simdl.step.simulate import simulate
from simdl.step.strategy import Recompute, Strategy

STACK = build_stack(memory_context=0.0, memory_reserve=0.0)


def planned(workload, capacity):
    return plan(workload, build_cluster(1, devices=1, memory_capacity=capacity), stack=STACK)


@pytest.fixture(scope="module")
def asked():
    workload = build_workload(build_network(8, tokens=512), global_batch=1)
    roomy = build_cluster(1, devices=1)
    kept, full = (
        simulate(workload, roomy, Strategy(recompute=mode), stack=STACK).report
        for mode in (Recompute.NONE, Recompute.FULL)
    )
    return workload, kept, full


def test_as_few_blocks_as_fit_are_recomputed(asked):
    workload, kept, full = asked
    found = planned(workload, (kept.peak_memory + full.peak_memory) / 2)
    best = found.plans[0].report
    assert best.strategy.savers
    assert "offload" not in best.strategy.savers
    assert kept.step_time < best.step_time < full.step_time
    assert found.plans[0].bound <= best.step_time
    assert "1 plan with memory savers block by block beside them" in found.certified_over
    assert found.why[0].startswith("memory saved block by block rather than alike")


def test_host_memory_is_used_where_nothing_fits(asked):
    workload, _, full = asked
    context = full.memory["context"]
    found = planned(workload, context + (full.peak_memory - context) * 0.8)
    best = found.plans[0].report
    assert best.feasible
    assert "optimizer" in best.strategy.savers
    assert found.why == ("memory saved block by block: nothing that treats all of them alike fits",)


def test_nothing_is_saved_where_everything_fits(asked):
    workload, kept, _ = asked
    found = planned(workload, kept.peak_memory)
    assert found.plans[0].report.strategy == replace(kept.strategy)
    assert "savers" not in found.certified_over
