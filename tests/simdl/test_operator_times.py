"""Operators of the critical path and kernels by kind: they add up, and are shared out as the passes run."""

import pytest
from builders import build_cluster, build_stack, build_workload

from simdl.report.critical_tasks import critical_actions
from simdl.report.operator_times import (
    OTHERS,
    PHASES,
    OperatorTime,
    critical_operators,
    kernel_times,
    longest_operators,
)
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

STRATEGIES = {
    "data": Strategy(dp=8),
    "tensor": Strategy(dp=2, tp=4, sequence_parallel=True, recompute=Recompute.FULL),
    "pipeline": Strategy(dp=2, tp=2, pp=2, micro_batch=2, recompute=Recompute.SELECTIVE),
    "interleaved": Strategy(dp=4, pp=2, schedule="interleaved-1f1b", virtual_stages=2),
    "sharded": Strategy(dp=8, zero=3),
    "context": Strategy(dp=4, cp=2),
}


@pytest.fixture(params=STRATEGIES)
def case(request):
    workload, cluster, stack = build_workload(), build_cluster(), build_stack(tensor_overlap=0.25)
    strategy = STRATEGIES[request.param]
    simulation = simulate(workload, cluster, strategy, stack=stack)
    return step_cost(workload, strategy, price(workload, cluster, stack=stack)), simulation


def test_operators_add_up_to_the_step_and_stand_longest_first(case):
    _, simulation = case
    seconds = [operator.seconds for operator in simulation.report.critical_operators]
    assert sum(seconds) == pytest.approx(simulation.report.step_time, rel=1e-12)
    assert seconds == sorted(seconds, reverse=True)
    assert min(seconds) > 0


def test_each_phase_takes_what_the_critical_path_says(case):
    _, simulation = case
    path = simulation.report.critical_path
    communication = ("communication", "contention", "launch", "overhead")
    for phase in PHASES:
        kernels = sum(
            operator.seconds
            for operator in simulation.report.critical_operators
            if operator.phase == phase and operator.kind not in communication
        )
        assert kernels == pytest.approx(path.get(phase, 0.0))


def test_communication_takes_what_the_critical_path_says(case):
    _, simulation = case
    path = simulation.report.critical_path
    expected = sum(seconds for cause, seconds in path.items() if cause.endswith("communication"))
    found = sum(o.seconds for o in simulation.report.critical_operators if o.kind == "communication")
    assert found == pytest.approx(expected)


def test_kernels_by_kind_add_up_to_the_passes_of_the_breakdown(case):
    step, simulation = case
    breakdown = simulation.report.breakdown
    assert sum(kernel_times(step).values()) == pytest.approx(
        sum(breakdown.get(phase, 0.0) for phase in PHASES)
    )


def test_an_operator_of_one_device_takes_its_kernel_times_the_microbatches():
    workload, cluster, stack = build_workload(), build_cluster(nodes=1, devices=1), build_stack()
    strategy = Strategy(micro_batch=2)
    step = step_cost(workload, strategy, price(workload, cluster, stack=stack))
    timeline = simulate(workload, cluster, strategy, stack=stack).timeline
    found = {(o.name, o.phase): o for o in critical_operators(step, critical_actions(timeline))}
    by_kind = {}
    for operator in found.values():
        by_kind[operator.kind] = by_kind.get(operator.kind, 0.0) + operator.seconds
    for kind, seconds in kernel_times(step).items():
        assert by_kind[kind] == pytest.approx(seconds), kind
    assert found["decoder/up/product", "forward"].kind == "matmul"


def test_the_rest_is_added_up_by_phase_and_kind():
    def operator(name, kind, seconds):
        return OperatorTime(name=name, phase="forward", kind=kind, seconds=seconds)

    every = [operator("a", "matmul", 4.0), operator("b", "matmul", 2.0), operator("c", "gather", 1.0)]
    every.append(operator("d", "matmul", 0.5))
    few = longest_operators(every, limit=1)
    assert few == (every[0], operator(OTHERS, "matmul", 2.5), operator(OTHERS, "gather", 1.0))
    assert longest_operators(every, limit=9) == tuple(every)
