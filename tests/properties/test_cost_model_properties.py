import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import kernel_devices, products

from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.matmul import ELEMENT_SIZE, matmul_time
from simdl.kernels.kernel import Kernel, Product
from workloads.operators import OperatorKind

pytestmark = pytest.mark.property

ALIGNED = 8  # elements of 16 bit in 16 bytes, the alignment that matrix units ask for
DTYPES = st.sampled_from(["fp32", "bf16"])


def launch(product, dtype):
    m, n, k, count = product.m, product.n, product.k, product.count
    nbytes = float(ELEMENT_SIZE[dtype] * count * (m * k + k * n + m * n))
    return Kernel("p", OperatorKind.MATMUL, 2.0 * m * n * k * count, nbytes, dtype, product)


@given(products(), kernel_devices(), DTYPES)
def test_no_product_beats_the_roofline(product, device, dtype):
    """Time is at least flops over peak, bytes over peak bandwidth, and the latency."""
    kernel = launch(product, dtype)
    time = estimate_kernel_time(kernel, device)
    floor = max(kernel.flops / device.flop_rate(dtype), kernel.nbytes / device.memory_bandwidth)
    assert time >= floor + device.matmul.latency


@given(products(), kernel_devices(), DTYPES, st.sampled_from(["m", "n", "count"]), st.integers(1, 500))
def test_a_larger_product_never_takes_less(product, device, dtype, axis, more):
    """Time is non-decreasing in m, n and the number of products, among rows that load alike."""
    aligned = dataclasses.replace(product, n=ALIGNED * product.n, k=ALIGNED * product.k)
    step = ALIGNED * more if axis == "n" else more
    larger = dataclasses.replace(aligned, **{axis: getattr(aligned, axis) + step})
    assert matmul_time(larger, device, dtype) >= matmul_time(aligned, device, dtype)


@given(products(), kernel_devices(), DTYPES, st.integers(1, 500))
def test_a_deeper_product_of_equal_alignment_never_takes_less(product, device, dtype, more):
    """Time is non-decreasing in k among depths that load alike."""
    shallow = dataclasses.replace(product, n=ALIGNED * product.n, k=ALIGNED * product.k)
    deep = dataclasses.replace(shallow, k=shallow.k + ALIGNED * more)
    assert matmul_time(deep, device, dtype) >= matmul_time(shallow, device, dtype)


@given(products(), kernel_devices(), DTYPES, st.floats(1.0, 4.0))
def test_a_faster_device_is_never_slower(product, device, dtype, factor):
    """More bandwidth or a higher peak never costs time."""
    kernel = launch(product, dtype)
    base = estimate_kernel_time(kernel, device)
    faster_memory = dataclasses.replace(device, memory_bandwidth=device.memory_bandwidth * factor)
    peaks = {name: rate * factor for name, rate in device.peak_flop_rate.items()}
    faster_units = dataclasses.replace(
        device, peak_flop_rate=peaks, vector_flop_rate=device.vector_flop_rate * factor
    )
    assert estimate_kernel_time(kernel, faster_memory) <= base * (1 + 1e-12)
    assert estimate_kernel_time(kernel, faster_units) <= base * (1 + 1e-12)


@given(st.floats(0, 1e12), st.floats(0, 1e12), kernel_devices(), st.sampled_from(list(OperatorKind)))
def test_more_bytes_never_take_less(nbytes, more, device, kind):
    """A kernel priced by its bytes takes no less for more of them, and at least its latency."""

    def time(amount):
        return estimate_kernel_time(Kernel("s", kind, 0.0, amount, "bf16"), device)

    assert device.memory.latency <= time(nbytes) <= time(nbytes + more)
    assert time(nbytes) >= nbytes / device.memory_bandwidth


def test_misaligned_heads_leave_the_matrix_units():
    """Batched rows of no multiple of 16 bytes run on vector units (BigScience, head counts)."""
    device = load_device("a100-sxm-80gb")
    aligned, misaligned = Product(2048, 2048, 104, 64), Product(2048, 2048, 108, 64)
    assert matmul_time(misaligned, device, "fp16") > 3 * matmul_time(aligned, device, "fp16")
    one = Product(2048, 2048, 108, 1)
    assert matmul_time(one, device, "fp16") < 2 * matmul_time(Product(2048, 2048, 104, 1), device, "fp16")
