"""Terms of kernels come back from rows that they made."""

from dataclasses import replace
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.kernel_terms import KernelTerms, Tier, terms_time
from simdl.kernels.costs.terms import SINGLE, WORD
from simdl.kernels.kernel import ConvolutionCall, Kernel, Product
from validation.calibration.calibrate import predicted_time
from validation.calibration.fit_terms import LANES, STARTS, Count, Timed, fit_terms
from workloads.operators import ConvolutionShape, OperatorKind, Pass

pytestmark = pytest.mark.theory


def product(m, n, k):
    nbytes = 4.0 * (m * n + n * k + m * k)
    return Kernel("product", OperatorKind.MATMUL, 2.0 * m * n * k, nbytes, "fp32", Product(m, n, k))


def stream(nbytes):
    return Kernel("relu", OperatorKind.ELEMENTWISE, nbytes / 8, nbytes, "fp32")


def convolution(inner, outer, pixels, batch):
    shape = ConvolutionShape(
        in_channels=inner,
        out_channels=outer,
        in_height=pixels,
        in_width=pixels,
        out_height=pixels,
        out_width=pixels,
        kernel_height=3,
        kernel_width=3,
    )
    call = ConvolutionCall(shape, batch, Pass.FORWARD)
    return Kernel("forward", OperatorKind.CONVOLUTION, 0.0, 0.0, "fp32", call)


def timed(kernels, terms):
    return [Timed(kernel=kernel, seconds=predicted_time(terms, kernel)) for kernel in kernels]


STREAMS = [stream(2.0**power) for power in range(12, 29)]
PRODUCTS = [product(m, n, k) for m in (1, 16, 128, 1024) for n in (10, 256, 1000) for k in (64, 512, 4096)]


def test_latency_and_bandwidths_of_every_tier_come_back():
    tiers = zip(STARTS, (1e11, 5e10, 2e10, 1e10), strict=True)
    truth = KernelTerms(
        latency=3e-6, traffic={"all": tuple(Tier(start=start, bandwidth=rate) for start, rate in tiers)}
    )
    found = fit_terms(timed(STREAMS, truth), Count(arithmetic=False))
    assert found.latency == pytest.approx(3e-6, rel=1e-3)
    assert found.flop_rate == inf
    assert [tier.start for tier in found.traffic["all"]] == list(STARTS)
    assert [t.bandwidth for t in found.traffic["all"]] == pytest.approx([1e11, 5e10, 2e10, 1e10], rel=1e-3)


def test_flop_rate_and_operands_of_a_product_come_back():
    paces = {"left": 2e10, "right": 5e9, "result": 1e10}
    traffic = {name: (Tier(start=0.0, bandwidth=rate),) for name, rate in paces.items()}
    truth = KernelTerms(latency=2e-6, flop_rate=8e10, traffic=traffic)
    found = fit_terms(timed(PRODUCTS, truth), Count(arithmetic=True))
    assert found.flop_rate == pytest.approx(8e10, rel=0.01)
    assert found.latency == pytest.approx(2e-6, rel=0.01)
    assert found.traffic["right"][0].bandwidth == pytest.approx(5e9, rel=0.01)


def test_what_is_done_one_by_one_is_told_from_bytes():
    """Rows of two widths: 0.1 us each, whatever the row holds."""
    paces = {"all": 2e10, SINGLE: WORD / 1e-7}
    truth = KernelTerms(
        latency=2e-6, traffic={name: (Tier(start=0.0, bandwidth=rate),) for name, rate in paces.items()}
    )
    rows = [
        replace(stream(8.0 * width * count), singles=float(count))
        for width in (16, 512)
        for count in (2, 64, 2048, 65536)
    ]
    found = fit_terms(timed(rows, truth), Count(arithmetic=False))
    (single,) = found.traffic[SINGLE]
    assert single.bandwidth == pytest.approx(WORD / 1e-7, rel=1e-3)
    assert found.traffic["all"][-1].bandwidth == pytest.approx(2e10, rel=1e-3)


@pytest.mark.parametrize("lanes", LANES)
def test_the_width_of_vectors_comes_back(lanes):
    shapes = [(i, o, 14, b) for i in (3, 16, 20, 40) for o in (6, 12, 24, 33) for b in (1, 4, 8)]
    truth = KernelTerms(latency=1e-5, flop_rate=5e10, lanes=lanes)
    found = fit_terms(timed([convolution(*s) for s in shapes], truth), Count(arithmetic=True))
    assert found.lanes == lanes
    assert found.flop_rate == pytest.approx(5e10, rel=0.01)


def test_products_and_streams_have_no_width():
    assert (
        fit_terms(timed(PRODUCTS, KernelTerms(latency=1e-6, flop_rate=1e10)), Count(arithmetic=True)).lanes
        == 1
    )


def test_a_tier_that_one_size_reaches_is_not_fitted():
    small = [stream(2.0**power) for power in (10, 12, 14, 16, 19)]
    found = fit_terms(
        timed(small, KernelTerms(latency=1e-6, traffic={"all": (Tier(start=0.0, bandwidth=1e10),)})),
        Count(arithmetic=False),
    )
    assert [tier.start for tier in found.traffic["all"]] == [0.0]


def test_an_operand_that_costs_nothing_has_no_tiers():
    found = fit_terms(timed(STREAMS, KernelTerms(latency=7e-6)), Count(arithmetic=False))
    assert found.latency == pytest.approx(7e-6)
    assert dict(found.traffic) == {}


@pytest.mark.property
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0.0, 0.5))
def test_time_never_falls_as_a_kernel_grows(seed, noise):
    """Whatever the measurements, noise included."""
    numbers = np.random.default_rng(seed)
    truth = KernelTerms(latency=1e-6, traffic={"all": (Tier(start=0.0, bandwidth=2e10),)})
    rows = [
        replace(row, seconds=row.seconds * float(np.exp(numbers.normal(0, noise))))
        for row in timed(STREAMS, truth)
    ]
    found = fit_terms(rows, Count(arithmetic=False))
    times = [terms_time(found, 0.0, {"all": nbytes}) for nbytes in np.geomspace(1, 1e9, 60)]
    assert found.latency >= 0
    assert all(later >= earlier for earlier, later in pairwise(times))
