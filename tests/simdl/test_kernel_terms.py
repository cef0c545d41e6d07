"""Kernels priced by terms that were measured on the very device."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cost_model import device
from test_cost_model_convolution import call

from hardware.kernel_terms import KernelTerms, Tier, terms_time, traffic_seconds
from simdl.kernels.cost_model import DeviceCostModel, estimate_kernel_time
from simdl.kernels.costs.convolution_launch import convolution_launches, fastest_launch
from simdl.kernels.costs.terms import convolution_flops, kernel_keys, operand_bytes
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass

TIERS = (Tier(start=0.0, bandwidth=100.0), Tier(start=1000.0, bandwidth=10.0))


def measured(**kernels):
    return replace(device(), kernels=kernels)


def stream(name="relu", nbytes=500.0, flops=0.0):
    return Kernel(name, OperatorKind.ELEMENTWISE, flops, nbytes, "fp32")


@pytest.mark.theory
@pytest.mark.parametrize(("nbytes", "seconds"), [(0.0, 0.0), (500.0, 5.0), (1000.0, 10.0), (1500.0, 60.0)])
def test_bytes_beyond_a_tier_move_at_the_next_rate(nbytes, seconds):
    assert traffic_seconds(TIERS, nbytes) == pytest.approx(seconds)


@pytest.mark.theory
def test_terms_add_up():
    terms = KernelTerms(latency=1.0, flop_rate=2.0, traffic={"left": TIERS, "right": TIERS})
    assert terms_time(terms, 8.0, {"left": 100.0, "right": 200.0}) == pytest.approx(1 + 4 + 1 + 2)


def test_a_kernel_without_arithmetic_has_no_flop_term():
    assert terms_time(KernelTerms(latency=1.0), 1e12, {}) == 1.0
    assert KernelTerms(latency=0.0).flop_rate == inf


@pytest.mark.property
@given(small=st.floats(0, 1e6), more=st.floats(0, 1e6))
def test_time_never_falls_as_an_operand_grows(small, more):
    assert traffic_seconds(TIERS, small + more) >= traffic_seconds(TIERS, small)


def test_a_kernel_takes_its_own_terms_before_those_of_its_kind():
    own, kind = KernelTerms(latency=1.0), KernelTerms(latency=2.0)
    machine = measured(**{"elementwise/relu": own, "elementwise": kind})
    assert estimate_kernel_time(stream("relu"), machine) == 1.0
    assert estimate_kernel_time(stream("gelu"), machine) == 2.0


def test_the_model_remembers_products_by_their_name_too():
    machine = measured(
        **{
            "matmul/product/fp32": KernelTerms(latency=1.0),
            "matmul/input gradient/fp32": KernelTerms(latency=5.0),
        }
    )
    model, shape = DeviceCostModel(machine), Product(64, 64, 64)
    product, gradient = (
        Kernel(name, OperatorKind.MATMUL, 2.0 * 64**3, 3.0 * 4 * 64**2, "fp32", shape)
        for name in ("product", "input gradient")
    )
    assert (model.kernel_time(product), model.kernel_time(gradient)) == (1.0, 5.0)
    assert (model.kernel_time(gradient), model.kernel_time(product)) == (5.0, 1.0)


def test_a_kind_without_terms_is_priced_analytically():
    machine = measured(softmax=KernelTerms(latency=1.0))
    assert estimate_kernel_time(stream(), machine) == estimate_kernel_time(stream(), device())


def test_products_are_keyed_by_dtype_and_not_by_kind_alone():
    kernel = Kernel("product", OperatorKind.MATMUL, 1.0, 1.0, "fp16", Product(8, 8, 8))
    assert kernel_keys(kernel) == ("matmul/product/fp16",)
    machine = measured(**{"matmul/product/fp32": KernelTerms(latency=1.0)})
    assert estimate_kernel_time(kernel, machine) == estimate_kernel_time(kernel, device())


def test_a_fused_kernel_falls_back_to_its_first_member():
    fused = Kernel("scores+mask", OperatorKind.MATMUL, 1.0, 1.0, "fp32", Product(8, 8, 8))
    assert kernel_keys(fused) == ("matmul/scores+mask/fp32", "matmul/scores/fp32", "matmul/product/fp32")
    assert kernel_keys(stream("bias+relu")) == ("elementwise/bias+relu", "elementwise/bias", "elementwise")


def test_operands_of_a_product():
    kernel = Kernel("product", OperatorKind.MATMUL, 1.0, 1.0, "fp32", Product(2, 3, 5, 7))
    assert operand_bytes(kernel) == {"left": 4 * 70, "right": 4 * 105, "result": 4 * 42}


def test_attention_is_keyed_by_its_pass():
    shape = AttentionShape(query_tokens=8, key_tokens=8, heads=1, kv_heads=1, head_size=8, causal=True)
    kernel = Kernel(
        "attention", OperatorKind.ATTENTION, 1.0, 1.0, "fp32", AttentionCall(shape, 1, Pass.FORWARD)
    )
    assert kernel_keys(kernel) == ("attention/forward/fp32/causal",)


def test_a_convolution_offers_the_measured_algorithms_only_and_takes_the_fastest_within_the_limit():
    machine = measured(
        **{
            "convolution/forward/gemm/fp32": KernelTerms(latency=1.0),
            "convolution/forward/direct/fp32": KernelTerms(latency=2.0),
        }
    )
    launches = convolution_launches(call(), machine, "fp32", 0.0)
    assert {cost.algorithm: cost.time for cost in launches} == {"gemm": 1.0, "direct": 2.0}
    assert fastest_launch(call(), machine, "fp32", 0.0).algorithm == "gemm"
    assert fastest_launch(call(), machine, "fp32", 0.0, limit=0.0).algorithm == "direct"


def test_strided_convolutions_have_terms_of_their_own():
    machine = measured(
        **{
            "convolution/forward/direct/fp32": KernelTerms(latency=1.0),
            "convolution/forward/direct/fp32/strided": KernelTerms(latency=3.0),
        }
    )
    assert fastest_launch(call(stride=2), machine, "fp32", 0.0).time == 3.0


@pytest.mark.parametrize(
    ("which", "channels", "seconds"),
    [
        (Pass.FORWARD, 6, 1.0),
        (Pass.WEIGHT_GRADIENT, 3, 2.0),
        (Pass.WEIGHT_GRADIENT, 6, 3.0),
        (Pass.INPUT_GRADIENT, 6, 4.0),  # has no terms for narrow ones
        (Pass.FORWARD, 1, 6.0),
        (Pass.WEIGHT_GRADIENT, 1, 5.0),
        (Pass.INPUT_GRADIENT, 1, 4.0),  # nor for single ones
    ],
)
def test_few_channels_are_narrow_or_thin_and_one_is_single(which, channels, seconds):
    machine = measured(
        **{
            "convolution/forward/direct/fp32/thin": KernelTerms(latency=1.0),
            "convolution/weight_gradient/direct/fp32/thin": KernelTerms(latency=2.0),
            "convolution/weight_gradient/direct/fp32/narrow": KernelTerms(latency=3.0),
            "convolution/input_gradient/direct/fp32/thin": KernelTerms(latency=4.0),
            "convolution/weight_gradient/direct/fp32/single": KernelTerms(latency=5.0),
            "convolution/forward/direct/fp32/single": KernelTerms(latency=6.0),
        }
    )
    assert fastest_launch(call(which=which, channels=channels), machine, "fp32", 0.0).time == seconds


@pytest.mark.theory
def test_lanes_fill_the_channels_of_narrow_gradients():
    forward, gradient = (call(which=which, channels=6) for which in (Pass.FORWARD, Pass.WEIGHT_GRADIENT))
    assert convolution_flops(gradient, 16) / convolution_flops(forward, 16) == pytest.approx(16 / 6)
    assert convolution_flops(gradient, 1) == convolution_flops(forward, 1)


@pytest.mark.theory
def test_lanes_fill_channels_up_but_leave_fewer_than_a_vector_of_inputs():
    narrow, wide = call(channels=3, filters=20), call(channels=17, filters=16)
    pixels = narrow.batch * narrow.shape.out_height * narrow.shape.out_width * 9
    assert convolution_flops(narrow, 16) == 2 * pixels * 3 * 32
    assert convolution_flops(wide, 16) == 2 * pixels * 32 * 16


@pytest.mark.theory
@pytest.mark.parametrize(
    ("pixels", "written", "taps", "stride", "inside"),
    [
        (7, 7, 3, 1, 3 * 7 - 2),
        (14, 14, 5, 1, 5 * 14 - 2 * (2 + 1)),
        (14, 10, 5, 1, 5 * 10),
        (8, 4, 3, 2, 3 * 4 - 1),
        (224, 112, 7, 2, 7 * 112 - (3 + 1) - (2 + 0)),
    ],
)
def test_products_with_padding_are_those_of_taps_beside_the_image(pixels, written, taps, stride, inside):
    shape = ConvolutionShape(
        in_channels=16,
        out_channels=16,
        in_height=pixels,
        in_width=pixels,
        out_height=written,
        out_width=written,
        kernel_height=taps,
        kernel_width=taps,
        stride_height=stride,
        stride_width=stride,
    )
    call = ConvolutionCall(shape, 1, Pass.FORWARD)
    assert convolution_flops(call, 1, padding=0.0) == 2 * 256 * inside**2
    assert convolution_flops(call, 1) == 2 * 256 * (written * taps) ** 2
