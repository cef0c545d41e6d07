"""Folded equals unfolded exactly (design decision 7)."""

import pytest
from conftest import build_cluster, build_stack, build_workload

from simdl.automatic_cut import step_cost
from simdl.lowering import lower
from simdl.simulate import price, simulate
from simdl.strategy import Recompute, Strategy
from simdl.timeline_metrics import breakdowns
from simdl.unfolding import every_rank, unfold

DEGREES = {
    "data": {"dp": 8},
    "tensor": {"tp": 8},
    "pipeline": {"pp": 4, "dp": 2},
    "context": {"cp": 4, "dp": 2},
    "sequence": {"tp": 4, "dp": 2, "sequence_parallel": True},
    "data x tensor x pipeline": {"dp": 2, "tp": 2, "pp": 2},
    "data x context x pipeline": {"dp": 2, "cp": 2, "pp": 2},
    "tensor x context x pipeline": {"tp": 2, "cp": 2, "pp": 2, "sequence_parallel": True},
    "gpipe": {"dp": 2, "tp": 2, "pp": 2, "schedule": "gpipe"},
    "interleaved": {"dp": 2, "tp": 2, "pp": 2, "schedule": "interleaved-1f1b", "virtual_stages": 2},
    "zero 1": {"dp": 4, "pp": 2, "zero": 1},
    "zero 1 interleaved": {
        "dp": 4,
        "pp": 2,
        "zero": 1,
        "schedule": "interleaved-1f1b",
        "virtual_stages": 2,
    },
    "zero 2": {"dp": 4, "tp": 2, "zero": 2},
    "zero 3": {"dp": 8, "zero": 3},
    "zero 3 x tensor": {"dp": 4, "tp": 2, "zero": 3},
    "zero 3 x context": {"dp": 4, "cp": 2, "zero": 3},
    "hybrid sharding": {"dp": 8, "zero": 3, "shard_degree": 4},
}
STACKS = {
    "nothing overlaps": {},
    "everything overlaps": {
        "gradient_overlap": True,
        "parameter_overlap": True,
        "pipeline_overlap": True,
        "contention": 0.1,
        "bucket": 1e6,
    },
    "gradients overlap": {"gradient_overlap": True, "bucket": 0.0},
    "transfers overlap": {"pipeline_overlap": True, "scatter_gather": False, "attention": "flash-causal"},
}


def both(degrees, stack, **changes):
    strategy = Strategy(**(degrees | changes))
    arguments = build_workload(), build_cluster(), strategy
    return [simulate(*arguments, stack=build_stack(**stack), unfolded=flag) for flag in (False, True)]


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
def test_folded_equals_unfolded(degrees, stack):
    folded, unfolded = both(degrees, stack)
    assert unfolded.report.step_time == folded.report.step_time
    assert len(unfolded.timeline.program.streams) > len(folded.timeline.program.streams)


@pytest.mark.parametrize("recompute", list(Recompute))
def test_folded_equals_unfolded_with_recomputation(recompute):
    folded, unfolded = both(
        DEGREES["data x tensor x pipeline"], STACKS["everything overlaps"], recompute=recompute
    )
    assert unfolded.report.step_time == folded.report.step_time


@pytest.mark.parametrize("degrees", [DEGREES["zero 1 interleaved"], DEGREES["data x tensor x pipeline"]])
def test_every_rank_spends_its_time_as_its_representative_does(degrees):
    folded, unfolded = both(degrees, STACKS["everything overlaps"])
    strategy = Strategy(**degrees)
    copies = strategy.replicas * strategy.tp
    representatives = breakdowns(folded.timeline)
    for rank, causes in breakdowns(unfolded.timeline).items():
        assert causes == pytest.approx(representatives[rank // copies], abs=1e-12)


def test_unfolding_makes_a_gradient_reduction_one_rendezvous_of_all_replicas():
    strategy = Strategy(dp=2, tp=2, pp=2)
    pricing = price(build_workload(), build_cluster(), stack=build_stack())
    folded = lower(step_cost(build_workload(pricing.network), strategy, pricing))
    schedule = unfold(folded, replicas=2, width=2)
    reductions = [task for task in schedule.tasks if task.name == "reduce gradients"]
    forwards = [task for task in schedule.tasks if task.name == "forward"]
    assert len(reductions) == strategy.pp
    assert all(len(task.streams) == strategy.dp * strategy.tp for task in reductions)
    assert len(forwards) == strategy.devices / strategy.tp * 8
    assert all(len(task.streams) == strategy.tp for task in forwards)


@pytest.mark.parametrize(("dp", "tp"), [(1, 1), (2, 4), (64, 8)])
def test_tasks_do_not_grow_with_data_and_tensor_parallel_degrees(dp, tp):
    strategy = Strategy(dp=dp, tp=tp, pp=2, micro_batch=1)
    workload = build_workload(global_batch=8 * dp)
    pricing = price(workload, build_cluster(dp * tp * 2, devices=1), stack=build_stack())
    tasks = lower(step_cost(workload, strategy, pricing)).tasks
    compute = [task for task in tasks if task.name in ("forward", "backward")]
    assert len(compute) == 2 * 8 * strategy.pp
    assert len(tasks) <= 60


def test_a_hundred_thousand_devices_take_as_many_tasks_as_a_thousand():
    counts = []
    for devices in (1_000, 100_000):
        strategy = Strategy(dp=devices // 4, tp=2, pp=2, zero=1)
        workload = build_workload(global_batch=devices // 4 * 8)
        result = simulate(workload, build_cluster(devices // 4), strategy, stack=build_stack())
        counts.append(len(result.timeline.program.tasks))
    assert counts[0] == counts[1]
