from dataclasses import replace

import pytest
from test_cost_model import device

from hardware.errors import HardwareError
from simdl.kernels.cost_model import DeviceCostModel, convolution_launch
from simdl.kernels.costs.convolution import IMPLICIT, convolution_times, reduced_product
from simdl.kernels.costs.convolution_launch import fastest_launch
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.kernel import ConvolutionCall, Kernel
from workloads.operators import ConvolutionShape, OperatorKind, Pass


def call(*, channels=64, filters=128, size=56, taps=3, stride=1, batch=32, groups=1, which=Pass.FORWARD):
    shape = ConvolutionShape(
        in_channels=channels,
        out_channels=filters,
        in_height=size,
        in_width=size,
        out_height=size // stride,
        out_width=size // stride,
        kernel_height=taps,
        kernel_width=taps,
        stride_height=stride,
        stride_width=stride,
        groups=groups,
    )
    return ConvolutionCall(shape, batch, which)


GPU = device(generation="ampere")


def offered(request, dtype="fp32", where=GPU):
    return {cost.algorithm: cost for cost in convolution_times(request, where, dtype)}


@pytest.mark.parametrize("which", list(Pass))
def test_every_pass_reduces_to_as_many_operations(which):
    product = reduced_product(call(which=which))
    assert product.m * product.n * product.k == 32 * 56 * 56 * 128 * 64 * 9


def test_a_strided_input_gradient_does_no_more_work_than_the_forward_pass():
    forward = reduced_product(call(stride=2))
    backward = reduced_product(call(stride=2, which=Pass.INPUT_GRADIENT))
    work = backward.m * backward.n * backward.k
    assert work == pytest.approx(forward.m * forward.n * forward.k, rel=0.01)


def test_groups_are_independent_products():
    product = reduced_product(call(groups=4))
    assert (product.n, product.k, product.count) == (32, 16 * 9, 4)


def test_implicit_gemm_needs_no_workspace_and_explicit_gemm_writes_the_patches():
    costs = offered(call())
    assert costs["implicit_gemm"].workspace == 0
    assert costs["gemm"].workspace == 4 * 9 * 64 * 56 * 56 * 32


def test_nonfused_winograd_stores_tiles_of_36_points():
    costs = offered(call())
    tiles = 32 * 14 * 14
    assert costs["winograd_nonfused"].workspace == 4 * 36 * (tiles * 64 + 64 * 128 + tiles * 128)


def test_fused_winograd_does_a_2_25th_of_the_arithmetic():
    large = call(channels=512, filters=512, batch=64, size=64)
    costs = offered(large)
    assert costs["winograd"].time == pytest.approx(costs["implicit_gemm"].time / 2.25, rel=0.1)


@pytest.mark.parametrize(
    ("request_", "absent"),
    [
        (call(stride=2), {"winograd", "winograd_nonfused", "fft"}),
        (call(taps=1), {"winograd", "winograd_nonfused"}),
        (call(taps=5), {"winograd"}),
        (call(groups=2), {"winograd", "winograd_nonfused", "fft"}),
        (call(which=Pass.WEIGHT_GRADIENT), {"winograd"}),
    ],
)
def test_algorithms_are_offered_only_where_they_apply(request_, absent):
    names = set(offered(request_))
    assert not names & absent
    assert names & {"implicit_gemm", "algo_0"}


def test_matrix_units_run_products_only():
    assert set(offered(call(), "fp16")) == {"implicit_gemm", "implicit_precomp_gemm", "gemm"}


def test_a_tighter_workspace_is_never_faster():
    request = call(channels=256, filters=256)
    limits = [0.0, 1e6, 1e8, 1e9, 1e12]
    times = [fastest_launch(request, GPU, "fp32", 0.0, limit).time for limit in limits]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


def test_smaller_batches_need_less_workspace():
    whole, half = offered(call(batch=64)), offered(call(batch=32))
    for name, cost in whole.items():
        assert half[name].workspace <= cost.workspace


def test_no_algorithm_within_the_limit_says_what_would_help():
    with pytest.raises(HardwareError, match=r"offers no algorithm .* implicit_gemm needs none"):
        fastest_launch(call(), device(convolution={"gemm": 0.8}), "fp32", 0.0, limit=1.0)


def test_an_unknown_algorithm_in_a_profile_names_its_place():
    for generation in ("ampere", "test"):
        faulty = device(convolution={"wonograd": 0.8}, generation=generation)
        with pytest.raises(HardwareError, match=r"efficiency\.convolution\.fraction\.wonograd: no such"):
            convolution_times(call(), faulty, "fp32")


def test_implicit_gemm_runs_at_its_share_of_the_product():
    request = call()
    expected = matmul_time(reduced_product(request), GPU, "fp32", tiling=IMPLICIT) / 0.8
    assert offered(request)["implicit_gemm"].time == pytest.approx(expected)


def test_fused_winograd_takes_whole_regions_of_an_image():
    """Of 8 x 16 pixels or 16 x 8, four by eight tiles of two by two; regions do not reach over images."""
    small, wide, whole = (
        offered(replace(call(batch=32, size=8), shape=replace(call(size=8).shape, out_height=h, out_width=w)))
        for h, w in ((5, 5), (16, 7), (8, 16))
    )
    assert small["winograd"].time == wide["winograd"].time == whole["winograd"].time
    assert offered(call(batch=32, size=17))["winograd"].time > 2 * whole["winograd"].time


def test_a_wave_takes_as_long_however_few_blocks_it_has():
    """Of 100 multiprocessors, 101 blocks need two waves of the same length (no last wave is shared)."""
    one, two, last = (
        offered(call(batch=batch, size=8, filters=32))["winograd"].time for batch in (100, 101, 200)
    )
    assert two == pytest.approx(2 * one)
    assert last == two


@pytest.mark.theory
def test_a_strided_gradient_of_the_input_multiplies_by_zeros_or_adds_up():
    """As one product on vector units every pixel meets the whole filter; as a sum none meets zeros."""
    strided = call(channels=64, stride=2, filters=64, taps=2, which=Pass.INPUT_GRADIENT)
    dense = call(channels=64, filters=64, taps=2, which=Pass.INPUT_GRADIENT)
    assert offered(strided)["algo_1"].time == offered(dense)["algo_1"].time
    assert offered(strided, "fp16")["algo_1"].time < 0.5 * offered(dense, "fp16")["algo_1"].time
    assert offered(strided)["algo_0"].time < 0.5 * offered(dense)["algo_0"].time


def test_few_channels_waste_no_tile_where_partial_sums_are_scattered():
    few = call(channels=3, filters=64, taps=11, stride=4, size=56, which=Pass.INPUT_GRADIENT)
    costs = offered(few)
    assert costs["algo_0"].time < costs["algo_1"].time / 5


def test_only_products_are_slower_backward():
    forward, backward = call(filters=64), call(filters=64, which=Pass.INPUT_GRADIENT)
    for name in ("winograd", "winograd_nonfused", "fft"):
        assert offered(forward)[name].time == pytest.approx(offered(backward)[name].time)


def test_backward_passes_run_at_their_share_of_the_forward_speed():
    forward, backward = call(filters=64), call(filters=64, which=Pass.INPUT_GRADIENT)
    name = "implicit_precomp_gemm"
    ratio = offered(forward)[name].time / offered(backward)["algo_1"].time
    assert ratio == pytest.approx(0.9)


def test_matrix_units_pad_channels_to_whole_loads():
    three, eight = call(channels=3), call(channels=8)
    name = "implicit_precomp_gemm"
    assert offered(three, "fp16")[name].time == offered(eight, "fp16")[name].time
    assert offered(three)[name].time < offered(eight)[name].time


def test_algorithms_without_tensor_cores_run_on_the_vector_units():
    costs, vector = offered(call(), "fp16"), offered(call(), "fp32")
    assert costs["implicit_gemm"].time == vector["implicit_gemm"].time
    assert costs["implicit_precomp_gemm"].time < vector["implicit_precomp_gemm"].time / 2


def test_where_cudnn_does_not_run_reductions_stand_under_their_own_names():
    assert set(offered(call(which=Pass.WEIGHT_GRADIENT), where=device())) >= {"implicit_gemm", "gemm"}


def test_only_cudnn_is_handed_a_workspace():
    kernel = Kernel("conv", OperatorKind.CONVOLUTION, 0.0, 1e6, "fp32", call())
    for where in (GPU, device()):
        cost = convolution_launch(kernel, call(), where)
        assert cost.workspace > 0
        assert DeviceCostModel(where).kernel_workspace(kernel) == (cost.workspace if where is GPU else 0.0)
