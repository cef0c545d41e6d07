"""Host paces of both passes, and the clock of attention that keeps matrix units less busy than products."""

from dataclasses import replace

import pytest
from builders import build_network, build_workload

from hardware.power_shares import power_shares
from hardware.profiles import load_cluster
from hardware.sustained import power_exponent, relief
from simdl.kernels.kernel import AttentionCall
from simdl.kernels.pricing import kernel_work
from simdl.software.reader import load_stack
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from validation.kernels.launches import attention_kernel
from workloads.operators import AttentionShape, Pass

CLUSTER = load_cluster("dgx-h100:1")
SLOW = 1e-3  # [s] a launch: the host sets the pace of everything


def passes(share):
    """[s] of a step that its host paces, without what happens once a step."""
    stack = replace(
        load_stack("torchtitan"),
        launch=SLOW,
        backward_launch=share,
        step_overhead=0.0,
        microbatch_overhead=0.0,
    )
    workload = build_workload(build_network(2), precision="bf16", global_batch=8)
    report = simulate(workload, CLUSTER, Strategy(dp=8), stack=stack).report
    return report.step_time - report.breakdown["optimizer"]


@pytest.mark.theory
def test_a_backward_pass_is_launched_at_a_share_of_the_pace_of_the_forward_pass():
    whole, half, none = (passes(share) for share in (1.0, 0.5, 0.0))
    assert whole - half == pytest.approx(half - none, rel=0.02)
    assert none < half / 1.5 < whole


@pytest.mark.theory
def test_the_clock_follows_the_power_that_a_kernel_draws():
    streaming = power_shares().streaming
    assert relief(1.0) == 1.0
    assert relief(0.0) == pytest.approx(streaming ** -power_exponent())


@pytest.mark.theory
@pytest.mark.parametrize("algorithm", ["flash-2", "flash-3"])
@pytest.mark.parametrize("sustained", [0.7, 0.86, 1.0])
def test_attention_slows_down_less_than_products_where_it_uses_matrix_units_less(algorithm, sustained):
    shape = AttentionShape(
        query_tokens=8192, key_tokens=8192, heads=32, kv_heads=32, head_size=128, causal=True
    )
    device = replace(CLUSTER.device, sustained=sustained)
    kernel = attention_kernel(AttentionCall(shape, 1, Pass.FORWARD, algorithm), "bf16")
    model = price(build_workload(), CLUSTER, stack=load_stack("torchtitan")).cost_model
    stack = load_stack("torchtitan")
    plain = kernel_work([kernel], stack, replace(device, sustained=1.0), model).device
    busy = kernel.flops / plain / device.flop_rate("bf16") / device.matmul.fraction["bf16"]
    expected = 1.0 if sustained == 1 else min(1.0, sustained * relief(busy))
    assert plain / kernel_work([kernel], stack, device, model).device == pytest.approx(expected)
