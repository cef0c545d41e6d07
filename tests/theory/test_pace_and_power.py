"""Host paces of both passes, and the clock of attention that keeps matrix units less busy than products."""

from dataclasses import replace

import pytest
from builders import build_network, build_workload

from hardware.power_shares import power_shares
from hardware.profiles import load_cluster
from hardware.sustained import training_clock
from simdl.kernels.kernel import AttentionCall, Product
from simdl.kernels.pricing import kernel_work
from simdl.software.reader import load_stack
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from validation.kernels.launches import attention_kernel, product_kernel
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
@pytest.mark.parametrize("sustained", [0.5, 0.85, 0.97])
@pytest.mark.parametrize("busy", [0.0, 0.3, 0.8, 1.0])
def test_every_kernel_draws_the_same_power_at_the_clock_that_the_limit_leaves_it(sustained, busy):
    """Power above idle goes with the cube of the clock (Mudge 2001, p. 52)."""
    streaming = (
        power_shares().streaming * sustained**3
    )  # of what large products draw at the benchmark's clock
    drawn = (streaming + (1 - streaming) * busy) * training_clock(sustained, busy) ** 3
    assert drawn == pytest.approx(sustained**3)


@pytest.mark.theory
def test_kernels_that_only_stream_never_come_to_the_limit_and_large_products_define_it():
    for sustained in (0.5, 0.85, 1.0):
        assert training_clock(sustained, 1.0) == pytest.approx(sustained)
        assert training_clock(sustained, 0.0) > 1.0


@pytest.mark.theory
@pytest.mark.parametrize("algorithm", ["flash-2", "flash-3"])
@pytest.mark.parametrize("sustained", [0.7, 0.86, 1.0])
def test_attention_slows_down_less_than_products_where_it_uses_matrix_units_less(algorithm, sustained):
    shape = AttentionShape(
        query_tokens=8192, key_tokens=8192, heads=32, kv_heads=32, head_size=128, causal=True
    )
    device = replace(CLUSTER.device, sustained=sustained)
    kernel = replace(attention_kernel(AttentionCall(shape, 1, Pass.FORWARD, algorithm), "bf16"), nbytes=0.0)
    model = price(build_workload(), CLUSTER, stack=load_stack("torchtitan")).cost_model
    stack = load_stack("torchtitan")
    plain = kernel_work([kernel], stack, replace(device, sustained=1.0), model).device
    busy = kernel.flops / plain / device.flop_rate("bf16") / device.matmul.fraction["bf16"]
    expected = 1.0 if sustained == 1 else min(1.0, training_clock(sustained, busy))
    work = plain - device.matmul.latency
    slower = kernel_work([kernel], stack, device, model).device - device.matmul.latency
    assert work / slower == pytest.approx(expected)
    assert sustained == 1 or expected > sustained


@pytest.mark.theory
def test_a_product_that_waits_for_memory_keeps_its_time_at_any_clock():
    """One token of a large language model: its weights are read once."""
    device = replace(CLUSTER.device, sustained=0.6)
    stack = load_stack("torchtitan")
    model = price(build_workload(), CLUSTER, stack=stack).cost_model
    thin = product_kernel("matmul", Product(1, 8192, 8192), "bf16")
    wide = product_kernel("matmul", Product(8192, 8192, 8192), "bf16")
    for kernel, expected in ((thin, 1.0), (wide, 0.6)):
        plain = kernel_work([kernel], stack, replace(device, sustained=1.0), model).device
        assert plain / kernel_work([kernel], stack, device, model).device == pytest.approx(expected, rel=0.05)
