"""Fractions of a GPU come back from rows that the model itself made, with noise, and hold elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from gpu_facts import H100

from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.convolution_launch import convolution_launches
from simdl.kernels.cudnn import find_algorithm
from validation.calibration.fit_gpu import FEWEST, fit_gpu_device, predict_rows, with_fraction
from validation.microbenchmarks.arrays.kernels import BUILDERS
from validation.microbenchmarks.backend import Offer
from validation.microbenchmarks.case import case_kernel
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.suite import all_cases
from workloads.operators import OperatorKind

TRUE = {
    "matmul.fraction.fp32": 0.91,
    "matmul.fraction.bf16": 0.62,
    "memory.fraction": 0.81,
    "memory.reduction": 0.7,
    "attention.forward": 0.66,
    "attention.backward": 0.5,
    "convolution.fraction.implicit_gemm": 0.45,
    "convolution.fraction.implicit_precomp_gemm": 0.66,
    "convolution.fraction.winograd_nonfused": 0.81,
    "convolution.input_gradient": 0.83,
    "convolution.weight_gradient": 0.61,
}
ALGORITHMS = ("implicit_gemm", "implicit_precomp_gemm", "winograd_nonfused")
NOISE = 0.03


def build_truth():
    device = load_device("h100-sxm-80gb")
    for path, value in TRUE.items():
        device = with_fraction(device, path, value)
    return device


def scope(algorithms=ALGORITHMS):
    offer = Offer(dtypes=("fp32", "bf16"), algorithms=algorithms, kernels=frozenset(BUILDERS), attention=True)
    return Scope(quick=True, facts=H100, offer=offer)


def measure(device, algorithms=ALGORITHMS):
    """Rows as this device would give them: every case that the model can price, each off by a few percent."""
    numbers = np.random.default_rng(0)
    setting = Setting(device="d", driver="", backend="cupy", software={}, processes=1, threads=1)
    rows = []
    for case in all_cases(scope(algorithms)):
        seconds = price(case, device)
        if seconds is not None:
            value = seconds * float(np.exp(numbers.normal(0, NOISE)))
            rows.append(Measurement(setting=setting, case=case, turn=0, date="", value=value))
    return rows


def price(case, device):
    if case.family not in {"matmul", "attention", "streaming", "convolution"}:
        return None
    kernel = case_kernel(case)
    if case.family != "convolution":
        return estimate_kernel_time(kernel, device)
    launches = convolution_launches(kernel.shape, device, kernel.dtype, kernel.nbytes)
    if case.algorithm == "direct":
        return min(cost.time for cost in launches)
    named = find_algorithm(kernel.shape.which, case.algorithm)
    return next((cost.time for cost in launches if cost.algorithm == named.name), None) if named else None


@pytest.fixture(scope="module")
def truth():
    return build_truth()


@pytest.fixture(scope="module")
def rows(truth):
    return measure(truth)


@pytest.fixture(scope="module")
def fitted(rows):
    return fit_gpu_device(load_device("h100-sxm-80gb"), rows)


@pytest.mark.theory
@pytest.mark.parametrize("path", TRUE)
def test_known_fractions_come_back(fitted, path):
    assert fitted.fractions[path] == pytest.approx(TRUE[path], rel=0.05 if "convolution" in path else 0.03)
    assert fitted.rows[path] >= FEWEST


def test_shapes_that_were_held_out_are_predicted_within_the_noise(rows, fitted):
    analytic = replace(fitted.device, kernels={})
    held_out = [row for row in rows if row.case.held_out]
    errors = [abs(price(row.case, analytic) / row.value - 1) for row in held_out]
    assert len(errors) > 50
    assert np.median(errors) < NOISE


def test_kernels_that_stream_get_terms_and_others_none(fitted):
    kinds = {key.partition("/")[0] for key in fitted.terms}
    assert kinds <= {kind.value for kind in OperatorKind} - {"matmul", "convolution", "attention"}
    assert "elementwise/relu" in fitted.terms
    assert fitted.device.kernels == fitted.terms


def test_fractions_without_rows_stay_as_they_were(fitted):
    base = load_device("h100-sxm-80gb")
    assert "matmul.fraction.tf32" not in fitted.fractions
    assert fitted.device.matmul.fraction["tf32"] == base.matmul.fraction["tf32"]
    assert fitted.device.convolution.fraction["fft"] == base.convolution.fraction["fft"]


@pytest.mark.theory
def test_a_library_that_does_not_tell_its_algorithm_scales_all_of_them():
    base = load_device("h100-sxm-80gb")
    slow = with_fraction(base, "convolution.fraction.*", 0.4)
    few = [row for row in measure(slow, ("direct",)) if row.case.family == "convolution"]
    found = fit_gpu_device(base, few).device.convolution.fraction
    for name, value in slow.convolution.fraction.items():
        assert found[name] == pytest.approx(value, rel=0.05)


def test_too_few_rows_fit_nothing(rows):
    products = [row for row in rows if row.case.family == "matmul"][: FEWEST - 1]
    found = fit_gpu_device(load_device("h100-sxm-80gb"), products)
    assert (found.fractions, found.terms) == ({}, {})


def test_every_row_is_compared_with_the_fit(rows, fitted):
    compared = predict_rows(fitted, rows)
    assert len(compared) > 0.9 * len(rows)
    assert {timed.held_out for _, timed, _ in compared} == {True, False}
    errors = [abs(predicted / timed.seconds - 1) for _, timed, predicted in compared]
    assert np.median(errors) < 1.5 * NOISE
