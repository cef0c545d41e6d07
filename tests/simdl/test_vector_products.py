"""FP32 products on vector units: what warps compute of a tile, and the kernels a library has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_device
from simdl.kernels.costs.matmul import Tiling, matmul_time
from simdl.kernels.kernel import Product
from validation.fit.kernel_families import Fitted, family_fractions

SIZES = st.integers(1, 700)


def seconds(name, *product):
    return matmul_time(Product(*product), load_device(name), "fp32")


@pytest.mark.property
@given(m=SIZES, n=SIZES, k=SIZES, more=st.integers(0, 300), count=st.sampled_from([1, 3, 400]))
def test_a_larger_product_takes_no_less(m, n, k, more, count):
    for larger in ((m + more, n, k), (m, n + more, k), (m, n, k + more)):
        assert seconds("p4", *larger, count) >= seconds("p4", m, n, k, count) * (1 - 1e-9)


@pytest.mark.theory
def test_of_a_tile_only_warps_with_results_count():
    tiling = Tiling(((128, 128),), granule=32)
    device = load_device("a100-pcie-40gb")
    times = [
        matmul_time(Product(128, columns, 4096, 10_000), device, "fp32", tiling=tiling)
        for columns in (128, 96, 64, 32)
    ]
    assert [time / times[0] for time in times] == pytest.approx([1, 0.75, 0.5, 0.25], rel=0.02)


@pytest.mark.theory
def test_starting_a_block_takes_as_long_as_some_more_depth():
    device = load_device("a100-pcie-40gb")
    later = Tiling(((128, 128),), splits=(1,), start=16)
    at_once = Tiling(((128, 128),), splits=(1,))
    assert matmul_time(Product(1024, 1024, 512), device, "fp32", tiling=later) == pytest.approx(
        matmul_time(Product(1024, 1024, 528), device, "fp32", tiling=at_once)
    )


@pytest.mark.theory
def test_a_library_without_narrow_tiles_takes_as_long_for_16_columns_as_for_64():
    assert seconds("m40", 7680, 16, 2560) == pytest.approx(seconds("m40", 7680, 64, 2560), rel=0.02)
    assert seconds("v100-sxm2-16gb", 7680, 16, 2560) < 0.6 * seconds("v100-sxm2-16gb", 7680, 64, 2560)


def test_a_batch_runs_the_kernel_that_one_of_its_products_would():
    many = seconds("mi100", 128, 1024, 1024, 768)
    large = seconds("mi100", 128 * 64, 1024 * 12, 1024)  # as many results in one product
    assert many > 1.4 * large


@pytest.mark.theory
def test_sixteen_bit_products_on_vector_units_add_at_their_fp32_rate():
    known = Fitted(
        device=load_device("p100-sxm"),
        fractions={"matmul.fraction.fp32": 0.86},
        rows={"matmul.fraction.fp32": 9},
    )
    found = family_fractions(load_device("p100-pcie"), [known])
    assert found["matmul.fraction.fp16"] == pytest.approx(found["matmul.fraction.fp32"] / 2, rel=0.01)


@pytest.mark.theory
def test_matrix_units_of_fp32_are_told_from_matrix_units():
    matrix = Fitted(
        device=load_device("a100-sxm-80gb"),
        fractions={"matmul.fraction.bf16": 0.8},
        rows={"matmul.fraction.bf16": 9},
    )
    assert "matmul.fraction.fp32" in family_fractions(load_device("mi100"), [matrix])
    assert "matmul.fraction.fp32" not in family_fractions(load_device("v100-pcie-32gb"), [matrix])
