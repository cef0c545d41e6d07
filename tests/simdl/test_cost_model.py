import pytest

from hardware.device import Device
from hardware.efficiency import (
    AttentionEfficiency,
    ConvolutionEfficiency,
    MatmulEfficiency,
    MemoryEfficiency,
)
from hardware.errors import HardwareError
from hardware.profiles import load_device
from simdl.kernels.cost_model import ConstantCostModel, DeviceCostModel, estimate_kernel_time
from simdl.kernels.costs.matmul import matmul_time, uses_matrix_units
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass

PEAKS = {"fp32": 20e12, "fp16": 300e12, "bf16": 300e12}
SHARES = dict.fromkeys(
    ("implicit_gemm", "implicit_precomp_gemm", "gemm", "fft", "winograd", "winograd_nonfused"), 0.8
)


def device(*, convolution=SHARES, cache_ratio=5.0, generation="test"):
    return Device(
        name="test-gpu",
        description="100 multiprocessors",
        generation=generation,
        memory_capacity=80e9,
        memory_bandwidth=2e12,
        cache=40e6,
        multiprocessors=100,
        peak_flop_rate=PEAKS,
        vector_flop_rate=20e12,
        power=400.0,
        matmul=MatmulEfficiency(
            fraction=dict.fromkeys(PEAKS, 0.8), latency=5e-6, epilogue=0.5, cache_ratio=cache_ratio
        ),
        memory=MemoryEfficiency(fraction=0.8, reduction=0.6, latency=2e-6),
        attention=AttentionEfficiency(forward=0.6, backward=0.5),
        convolution=ConvolutionEfficiency(fraction=convolution, input_gradient=0.9, weight_gradient=0.8),
    )


def product(m, n, k, count=1, dtype="bf16"):
    nbytes = 2.0 * count * (m * k + k * n + m * n)
    return Kernel("p", OperatorKind.MATMUL, 2.0 * m * n * k * count, nbytes, dtype, Product(m, n, k, count))


def stream(nbytes, kind=OperatorKind.ELEMENTWISE, flops=0.0):
    return Kernel("s", kind, flops, nbytes, "bf16")


def attention(which=Pass.FORWARD, *, causal=False, tokens=2048, batch=8):
    shape = AttentionShape(
        query_tokens=tokens, key_tokens=tokens, heads=16, kv_heads=16, head_size=128, causal=causal
    )
    return Kernel("a", OperatorKind.ATTENTION, 0.0, 0.0, "bf16", AttentionCall(shape, batch, which))


def test_a_streaming_kernel_takes_latency_plus_bytes_over_achieved_bandwidth():
    assert estimate_kernel_time(stream(1.6e9), device()) == pytest.approx(2e-6 + 1e-3)


def test_a_reduction_reaches_its_own_share_of_the_bandwidth():
    time = estimate_kernel_time(stream(1.2e9, OperatorKind.SOFTMAX), device())
    assert time == pytest.approx(2e-6 + 1e-3)


def test_an_elementwise_kernel_with_much_arithmetic_is_bound_by_the_vector_units():
    assert estimate_kernel_time(stream(1.0, flops=20e9), device()) == pytest.approx(2e-6 + 1e-3)


def test_a_large_product_approaches_the_sustained_rate():
    kernel = product(16384, 16384, 16384)
    achieved = kernel.flops / estimate_kernel_time(kernel, device())
    assert 0.95 * 240e12 < achieved < 240e12


def test_a_small_product_is_far_from_the_sustained_rate():
    kernel = product(256, 256, 256)
    assert kernel.flops / estimate_kernel_time(kernel, device()) < 0.05 * 300e12


def test_one_tile_too_many_costs_part_of_a_wave():
    full = matmul_time(Product(256 * 100, 128, 4096), device(), "bf16")
    over = matmul_time(Product(256 * 101, 128, 4096), device(), "bf16")
    assert 1.05 * full < over < 2 * full


def test_a_deep_product_with_few_tiles_splits_its_depth():
    deep = matmul_time(Product(128, 128, 2**20), device(), "bf16")
    one_multiprocessor = 2 * 128 * 128 * 2**20 / (240e12 / 100)
    assert deep < one_multiprocessor / 8


def test_an_odd_depth_halves_the_speed_on_matrix_units_only():
    assert matmul_time(Product(4096, 4096, 4097), device(), "bf16") == pytest.approx(
        2 * matmul_time(Product(4096, 4096, 4098), device(), "bf16"), rel=1e-3
    )
    assert matmul_time(Product(4096, 4096, 4097), device(), "fp32") == pytest.approx(
        matmul_time(Product(4096, 4096, 4098), device(), "fp32"), rel=1e-3
    )


def test_rows_that_are_not_aligned_leave_the_matrix_units_of_one_makers_library_alone():
    """A vision transformer's 197 tokens: cuBLAS turns to vector units, compilers for arrays pad."""
    odd, even = (Product(each, each, 64, 768) for each in (197, 200))
    array, card = load_device("tpu-v4"), load_device("v100-sxm2-16gb")
    assert matmul_time(odd, array, "bf16") <= matmul_time(even, array, "bf16")
    assert matmul_time(odd, card, "fp16") > 2 * matmul_time(even, card, "fp16")


def test_a_faster_cache_helps_small_tiles():
    shape = Product(64, 64, 4096, 64)
    assert matmul_time(shape, device(cache_ratio=10.0), "bf16") < matmul_time(shape, device(), "bf16")


def test_batched_products_fill_the_device_together():
    alone = matmul_time(Product(128, 128, 1024), device(), "bf16")
    together = matmul_time(Product(128, 128, 1024, 100), device(), "bf16")
    assert together < 20 * alone


def test_matrix_units_are_told_by_their_rate():
    assert uses_matrix_units(device(), "bf16")
    assert not uses_matrix_units(device(), "fp32")


def test_an_unknown_dtype_names_the_ones_the_device_has():
    with pytest.raises(HardwareError, match="test-gpu: no fp8 arithmetic; it offers bf16, fp16, fp32"):
        estimate_kernel_time(product(64, 64, 64, dtype="fp8"), device())


def test_backward_attention_does_two_and_a_half_times_the_work():
    ratio = estimate_kernel_time(attention(Pass.INPUT_GRADIENT), device()) - 5e-6
    ratio /= estimate_kernel_time(attention(), device()) - 5e-6
    assert ratio == pytest.approx(2.5 * 0.6 / 0.5)


def test_causal_attention_skips_nearly_half():
    full = estimate_kernel_time(attention(), device()) - 5e-6
    causal = estimate_kernel_time(attention(causal=True), device()) - 5e-6
    assert 0.5 * full < causal < 0.56 * full


def test_a_short_sequence_fills_a_whole_block():
    short = estimate_kernel_time(attention(tokens=100), device())
    assert short == estimate_kernel_time(attention(tokens=128), device())


def test_the_model_remembers_and_agrees_with_the_function():
    model = DeviceCostModel(device())
    kernel = product(512, 512, 512)
    assert model.kernel_time(kernel) == model.kernel_time(kernel) == estimate_kernel_time(kernel, device())


def test_constant_costs_add_up():
    model = ConstantCostModel(1.0, seconds_per_flop=2.0, seconds_per_byte=3.0)
    assert model.kernel_time(stream(5.0, flops=7.0)) == 1.0 + 14.0 + 15.0


def test_a_convolution_kernel_takes_its_fastest_algorithm():
    shape = ConvolutionShape(
        in_channels=64,
        out_channels=64,
        in_height=56,
        in_width=56,
        out_height=56,
        out_width=56,
        kernel_height=3,
        kernel_width=3,
    )
    call = ConvolutionCall(shape, 32, Pass.FORWARD)
    kernel = Kernel("c", OperatorKind.CONVOLUTION, 0.0, 0.0, "fp32", call)
    only = {"implicit_gemm": 0.8}
    assert estimate_kernel_time(kernel, device()) < estimate_kernel_time(kernel, device(convolution=only))


@pytest.mark.theory
def test_a_product_with_few_results_runs_on_the_whole_wafer():
    """Its compiler divides the depth over all cores: time is latency and flops over what they sustain."""
    wafer, deep = load_device("cs-1"), product(256, 256, 2**20, dtype="fp16")
    sustained = wafer.flop_rate("fp16") * wafer.matmul.fraction["fp16"]
    expected = wafer.matmul.latency + deep.flops / sustained
    assert estimate_kernel_time(deep, wafer) == pytest.approx(expected, rel=0.02)
