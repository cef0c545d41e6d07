"""FP32 products on vector units: the kernels a library has, and its waves."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_device
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.costs.tilings import ROCBLAS_TILINGS, WHOLE_WAVES, Tiling
from simdl.kernels.costs.tuned_sizes import load_tuned, tuned_tiles
from simdl.kernels.kernel import Product
from validation.fit.kernel_families import Fitted, family_fractions
from validation.kernels.compare import PUBLISHED

SIZES = st.integers(1, 700)


def seconds(name, *product):
    return matmul_time(Product(*product), load_device(name), "fp32")


@pytest.mark.property
@given(m=SIZES, n=SIZES, k=SIZES, more=st.integers(0, 300), count=st.sampled_from([1, 3, 400]))
def test_a_larger_product_takes_no_less(m, n, k, more, count):
    for larger in ((m + more, n, k), (m, n + more, k), (m, n, k + more)):
        assert seconds("p4", *larger, count) >= seconds("p4", m, n, k, count) * (1 - 1e-9)


@pytest.mark.theory
def test_a_batch_on_ampere_computes_whole_tiles_of_128_by_128():
    times = [
        matmul_time(Product(128, columns, 4096, 10_000), load_device("a100-pcie-40gb"), "fp32")
        for columns in (128, 96, 22, 129)
    ]
    assert [time / times[0] for time in times] == pytest.approx([1, 1, 1, 2], rel=0.01)


@pytest.mark.theory
def test_a_last_wave_on_vector_units_takes_as_long_as_a_full_one():
    device = load_device("p100-pcie")
    tiling = Tiling(((64, 64),), splits=(1,), partial_wave=WHOLE_WAVES)
    times = [
        matmul_time(Product(64, 64, 4096, products), device, "fp32", tiling=tiling)
        for products in (device.multiprocessors, device.multiprocessors + 1, 2 * device.multiprocessors)
    ]
    assert times[1] == times[2] == pytest.approx(2 * times[0])


@pytest.mark.theory
def test_a_library_without_narrow_tiles_takes_as_long_for_16_columns_as_for_64():
    assert seconds("m40", 7680, 16, 2560) == pytest.approx(seconds("m40", 7680, 64, 2560), rel=0.02)
    assert seconds("v100-sxm2-16gb", 7680, 16, 2560) < 0.6 * seconds("v100-sxm2-16gb", 7680, 64, 2560)


@pytest.mark.published
@pytest.mark.parametrize(("operator", "layout", "least"), [("linear", "tn", 0.95), ("bmm", "nn", 0.8)])
def test_the_nearest_tuned_size_names_the_tile_that_ran_on_an_mi100(operator, layout, least):
    rows = pd.read_csv(PUBLISHED / "neusight_gemm_amd.csv")
    rows = rows[(rows["op"] == operator) & rows["main_kernel"].str.contains("_MT")]
    ran = rows["main_kernel"].str.extract(r"_MT(\d+)x(\d+)x").astype(int).to_numpy()[:, ::-1]
    m, n, k = (rows[column].to_numpy() for column in "MKN")  # NeuSight's N is the depth
    assert (tuned_tiles(m, n, k, layout) == ran).all(axis=1).mean() >= least


@pytest.mark.parametrize("tiling", ROCBLAS_TILINGS["cdna1"])
def test_every_tuned_tile_is_among_the_kernels(tiling):
    _, tiles = load_tuned(tiling.tuned)
    assert set(map(tuple, tiles.tolist())) <= {*tiling.tiles}


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
