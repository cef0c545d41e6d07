"""The front door: what a report says, and the closed forms of pipelines through it."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from timelines import busy_time, critical_path
from uniform import FLOPS, free_stack, simulate_uniform, uniform_network

from simdl.errors import StrategyError
from simdl.kernels.cost_model import ConstantCostModel
from simdl.report.timeline_metrics import breakdowns
from simdl.step.simulate import COMMUNICATION, simulate
from simdl.step.strategy import Recompute, Strategy
from workloads.operators import OperatorKind, Pass

STRATEGIES = [
    Strategy(dp=8),
    Strategy(tp=8, sequence_parallel=True),
    Strategy(dp=2, tp=2, pp=2),
    Strategy(dp=2, cp=2, pp=2, recompute=Recompute.FULL),
    Strategy(dp=4, pp=2, zero=1, schedule="interleaved-1f1b", virtual_stages=2),
    Strategy(dp=2, pp=4, schedule="gpipe", micro_batch=2),
    Strategy(dp=8, zero=3, recompute=Recompute.SELECTIVE),
]
OVERLAP = {"gradient_overlap": True, "parameter_overlap": True, "pipeline_overlap": True, "bucket": 1e6}


def simulated(strategy, **changes):
    return simulate(build_workload(), build_cluster(), strategy, stack=build_stack(**changes))


@pytest.mark.parametrize("overlap", [{}, OVERLAP], ids=["serial", "overlap"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_breakdown_adds_up_to_the_step_time(strategy, overlap):
    result = simulated(strategy, **overlap)
    report = result.report
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time, rel=1e-9)
    for causes in breakdowns(result.timeline).values():
        assert sum(causes.values()) == pytest.approx(report.step_time, rel=1e-9)
    assert sum(report.memory.values()) == pytest.approx(report.peak_memory, rel=1e-12)
    assert report.exposed_communication == pytest.approx(
        sum(report.breakdown.get(name, 0.0) for name in COMMUNICATION)
    )


@pytest.mark.parametrize("overlap", [{}, OVERLAP], ids=["serial", "overlap"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_step_time_is_at_least_the_critical_path_and_the_busiest_stream(strategy, overlap):
    timeline = simulated(strategy, **overlap).timeline
    assert timeline.step_time >= critical_path(timeline.program) * (1 - 1e-12)
    streams = range(len(timeline.program.streams))
    assert timeline.step_time >= max(busy_time(timeline, stream) for stream in streams) * (1 - 1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_parts_of_a_task_add_up_to_its_duration(strategy):
    for overlap in ({}, OVERLAP | {"contention": 0.3}):
        for task in simulated(strategy, **overlap).timeline.program.tasks:
            assert sum(seconds for _, seconds in task.parts) == pytest.approx(task.duration, rel=1e-9)


@pytest.mark.theory
@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize(("p", "m"), [(1, 1), (1, 5), (2, 7), (4, 4), (4, 12), (8, 8)])
def test_bubble_of_equal_stages(schedule, p, m):
    """(p - 1)/(m + p - 1): Huang et al. 2019, section 2.3; Narayanan et al. 2021, section 2.2.1."""
    result = simulate_uniform(Strategy(pp=p, schedule=schedule), depth=8, global_batch=m)
    assert result.report.step_time == pytest.approx((m + p - 1) * 3 * 8 / p, rel=1e-9)
    assert result.report.bubble_fraction == pytest.approx((p - 1) / (m + p - 1), rel=1e-9, abs=1e-12)


@pytest.mark.theory
@pytest.mark.parametrize(("p", "m", "v"), [(2, 2, 2), (2, 4, 4), (4, 4, 2), (4, 8, 4)])
def test_interleaving_divides_the_bubble_by_the_virtual_stages(p, m, v):
    plain = simulate_uniform(Strategy(pp=p), depth=16, global_batch=m)
    strategy = Strategy(pp=p, schedule="interleaved-1f1b", virtual_stages=v)
    interleaved = simulate_uniform(strategy, depth=16, global_batch=m)
    assert interleaved.report.breakdown["bubble"] == pytest.approx(
        plain.report.breakdown["bubble"] / v, rel=1e-9
    )


@pytest.mark.theory
@pytest.mark.parametrize("m", [1, 4, 9])
def test_one_device_takes_the_sum_of_its_kernels(m):
    result = simulate_uniform(Strategy(), depth=5, global_batch=m)
    assert result.report.step_time == pytest.approx(m * 5 * 3.0, rel=1e-12)
    assert result.report.bubble_fraction == 0.0


@pytest.mark.theory
def test_full_recomputation_adds_one_forward_pass():
    result = simulate_uniform(Strategy(recompute=Recompute.FULL), depth=5, global_batch=4)
    assert result.report.step_time == pytest.approx(4 * 5 * 4.0, rel=1e-12)
    assert result.report.breakdown["recompute"] == pytest.approx(4 * 5 * 1.0, rel=1e-12)


@pytest.mark.theory
def test_mfu_counts_model_flops_once_and_hfu_what_the_device_does():
    """Narayanan et al. 2021, equation 3 for HFU; Chowdhery et al. 2022, appendix B for MFU."""
    result = simulate_uniform(Strategy(recompute=Recompute.FULL), depth=5, global_batch=4)
    peak = build_cluster().device.flop_rate("bf16")
    model = 4 * 5 * 3 * FLOPS
    assert result.report.model_flops == model
    assert result.report.mfu == pytest.approx(model / (result.report.step_time * peak), rel=1e-12)
    assert result.report.hfu / result.report.mfu == pytest.approx(4 / 3, rel=1e-12)


def test_hfu_counts_only_the_attention_core_under_selective_recomputation():
    network = build_network()
    decoder = next(block for block in network.blocks if block.name == "decoder")
    core = next(layer for layer in decoder.layers if layer.selective)
    twice = sum(operator.flops for operator in core.forward if operator.kind is OperatorKind.MATMUL)
    strategies = Strategy(dp=8), Strategy(dp=8, recompute=Recompute.SELECTIVE)
    plain, selective = (
        simulate(build_workload(network), build_cluster(), strategy, stack=build_stack()).report
        for strategy in strategies
    )
    assert plain.hfu == plain.mfu
    assert selective.hfu / selective.mfu == pytest.approx(
        1 + twice * decoder.count / network.model_flops, rel=1e-12
    )


def test_model_flops_are_the_products_of_three_passes():
    report = simulated(Strategy(dp=8)).report
    network = build_network()
    products = {OperatorKind.MATMUL, OperatorKind.CONVOLUTION, OperatorKind.ATTENTION}
    expected = sum(
        operator.flops
        for _, layer in network.layers()
        for which in Pass
        for operator in layer.operators(which)
        if operator.kind in products
    )
    assert report.model_flops == 16 * expected
    assert report.mfu == pytest.approx(report.flop_rate_per_device / 1e14, rel=1e-12)


def test_throughput_follows_from_batch_and_step_time():
    report = simulated(Strategy(dp=8)).report
    assert report.samples_per_s == pytest.approx(16 / report.step_time)
    assert report.tokens_per_s == pytest.approx(16 * 128 / report.step_time)


def test_a_step_that_does_not_fit_is_simulated_and_says_what_is_short():
    cluster = build_cluster(memory_capacity=1e9)
    report = simulate(build_workload(), cluster, Strategy(dp=8), stack=build_stack()).report
    assert not report.feasible
    assert len(report.reasons) == 1
    assert report.reasons[0].startswith("stage 0 is ")
    assert report.step_time == simulated(Strategy(dp=8)).report.step_time


def test_a_strategy_that_cannot_be_carried_out_is_refused_with_every_reason():
    with pytest.raises(StrategyError) as refused:
        simulated(Strategy(dp=3, tp=3))
    assert len(refused.value.reasons) >= 3
    assert all(reason in str(refused.value) for reason in refused.value.reasons)


def test_provenance_names_the_stack_and_counts_sources():
    provenance = simulated(Strategy(dp=8)).report.provenance
    assert provenance["stack"] == "megatron-2021"
    assert provenance["cluster"] == "tiny:2"
    assert provenance["device"] == "tiny"
    assert provenance["links"] == ["inside", "outside"]
    assert provenance["numbers"]["assumed"] >= 1


def test_launch_time_shows_only_where_the_device_would_starve():
    def step(seconds, launch):
        return simulate(
            build_workload(uniform_network(4), global_batch=1),
            build_cluster(1, devices=1),
            Strategy(),
            stack=free_stack(launch=launch),
            cost_model=ConstantCostModel(seconds),
        ).report

    kernels = 4 * 3
    optimizer = 1
    assert step(1e-3, 1e-4).step_time == pytest.approx((kernels + optimizer) * 1e-3, rel=1e-9)
    assert "launch" not in step(1e-3, 1e-4).breakdown
    starved = step(1e-5, 1e-4)
    assert starved.step_time == pytest.approx(kernels * 1e-4 + optimizer * 1e-5, rel=1e-9)
    assert starved.breakdown["launch"] == pytest.approx(kernels * (1e-4 - 1e-5), rel=1e-9)


def test_every_microbatch_and_pass_pays_the_microbatch_overhead():
    def step(overhead):
        stack = free_stack(microbatch_overhead=overhead)
        return simulate(
            build_workload(uniform_network(4), global_batch=6),
            build_cluster(1, devices=1),
            Strategy(),
            stack=stack,
            cost_model=ConstantCostModel(1e-3),
        ).report.step_time

    assert step(0.5) - step(0.0) == pytest.approx(2 * 6 * 0.5, rel=1e-9)


def test_a_cost_model_of_ones_own_replaces_the_device():
    slow, fast = (
        simulate(
            build_workload(),
            build_cluster(),
            Strategy(dp=8),
            stack=build_stack(),
            cost_model=ConstantCostModel(seconds),
        ).report.step_time
        for seconds in (1e-3, 1e-4)
    )
    assert slow > 5 * fast


def test_a_cut_of_ones_own_is_simulated_as_given():
    lopsided = replace(Strategy(pp=2, dp=4), stages=(5, 1))
    result = simulated(lopsided)
    assert result.report.step_time > simulated(Strategy(pp=2, dp=4)).report.step_time
