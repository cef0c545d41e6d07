"""Convolutions in groups: the direct kernel in closed form, groups side by side, bounds by memory."""

from dataclasses import replace

import pytest

from hardware.architecture import architecture_named
from hardware.profiles import load_device
from simdl.kernels.costs.convolution import convolution_times
from simdl.kernels.costs.convolution_launch import convolution_launches, fastest_launch
from simdl.kernels.costs.grouped import GROUPED, ROOM, THREADS, grouped_time, joined_calls
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.costs.terms import convolution_flops
from simdl.kernels.kernel import ConvolutionCall, Product
from workloads.operators import ConvolutionShape, Pass

pytestmark = pytest.mark.theory

DEVICE = load_device("a100-sxm-80gb")


def call(which=Pass.FORWARD, *, channels=256, groups=256, taps=3, size=56, batch=64):
    shape = ConvolutionShape(
        in_channels=channels,
        out_channels=channels,
        in_height=size,
        in_width=size,
        out_height=size,
        out_width=size,
        kernel_height=taps,
        kernel_width=taps,
        groups=groups,
    )
    return ConvolutionCall(shape, batch, which)


def moved(request, size=2):
    shape = request.shape
    return size * (2 * request.batch * shape.in_channels * shape.inputs + shape.filters)


@pytest.mark.parametrize("which", [Pass.FORWARD, Pass.INPUT_GRADIENT])
@pytest.mark.parametrize("taps", [3, 5, 7])
def test_a_direct_kernel_multiplies_in_a_quarter_of_its_instructions(which, taps):
    request = call(which, taps=taps)
    products = 64 * 256 * 56 * 56 * taps * taps
    assert grouped_time(request, DEVICE, "bf16") == pytest.approx(
        2 * products / (DEVICE.vector_flop_rate * 0.25)
    )


@pytest.mark.parametrize(("dtype", "size"), [("fp32", 4), ("bf16", 2)])
def test_blocks_of_a_weight_gradient_walk_over_all_results_a_word_of_each_tensor_at_a_time(dtype, size):
    """Theory: 256 threads a block for each filter element, each loads two words in the latency of memory."""
    request = call(Pass.WEIGHT_GRADIENT)
    arithmetic = grouped_time(call(), DEVICE, dtype)
    latency = 512 * 16 / architecture_named(DEVICE.generation).block_bandwidth
    rounds = 256 * 9 / (ROOM * DEVICE.multiprocessors)
    walk = rounds * latency * 64 * 56 * 56 / THREADS
    reads = 8 * 2 * 64 * 256 * 56 * 56 * size
    assert walk > traffic_time(reads, DEVICE) / DEVICE.matmul.cache_ratio
    assert grouped_time(request, DEVICE, dtype) == pytest.approx((arithmetic**2 + walk**2) ** 0.5)


def test_weight_gradients_of_few_channels_take_as_long_as_one():
    """Theory: what one block takes, as long as there is room for all; their arithmetic is small."""
    one, few = (
        grouped_time(call(Pass.WEIGHT_GRADIENT, channels=n, groups=n), DEVICE, "bf16") for n in (2, 32)
    )
    assert few == pytest.approx(one, rel=0.05)


def test_wide_filters_are_bound_by_instructions_and_small_ones_by_memory():
    narrow, wide = call(taps=3), call(taps=7)
    traffic = traffic_time(moved(narrow), DEVICE)
    assert grouped_time(narrow, DEVICE, "bf16") < 2 * traffic
    assert grouped_time(wide, DEVICE, "bf16") > 4 * traffic


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("groups", [2, 8, 32, 128])
def test_no_launch_is_faster_than_its_traffic_nor_slower_than_the_dense_convolution(which, groups):
    request = call(which, channels=128, groups=groups)
    dense = replace(request, shape=replace(request.shape, groups=1))
    grouped = fastest_launch(request, DEVICE, "bf16", moved(request)).time
    assert grouped >= traffic_time(moved(request), DEVICE)
    assert grouped <= 2 * fastest_launch(dense, DEVICE, "bf16", moved(dense)).time


def test_depthwise_costs_neither_nothing_nor_a_dense_convolution():
    """The kernel that a depthwise convolution takes on matrix units is not the one of 256 products."""
    times = {cost.algorithm: cost.time for cost in convolution_times(call(), DEVICE, "bf16")}
    assert min(times, key=times.__getitem__) == GROUPED
    alone = matmul_time(Product(64 * 56 * 56, 1, 8 * 9, 256), DEVICE, "bf16")
    assert times[GROUPED] < alone / 4


def test_narrow_groups_go_together_until_they_fill_half_a_tile():
    """32 groups of 4 channels: 2, 4, 8 and 16 of them side by side; no groups of 64 channels do."""
    joined = [request.shape.groups for request in joined_calls(call(channels=128, groups=32), DEVICE)]
    assert joined == [16, 8, 4, 2]
    assert not list(joined_calls(call(channels=128, groups=2), DEVICE))


def test_a_convolution_without_groups_has_no_grouped_kernel():
    names = {cost.algorithm for cost in convolution_launches(call(groups=1), DEVICE, "bf16", 1.0)}
    assert GROUPED not in names


@pytest.mark.parametrize(("channels", "lanes", "filled"), [(64, 16, 64), (65, 16, 80), (8, 16, 16)])
def test_vectors_of_a_processor_hold_channels_of_neighbouring_groups(channels, lanes, filled):
    request = call(channels=channels, groups=channels, batch=2)
    assert convolution_flops(request, lanes) == 2 * 2 * 56 * 56 * 9 * filled
