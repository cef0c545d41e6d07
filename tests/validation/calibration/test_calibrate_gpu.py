"""From a file of a GPU's measurements to its profile: fractions over the registered device."""

from dataclasses import replace

import pytest
from test_fit_gpu import TRUE, build_truth, measure, scope

from hardware.profiles import load_cluster, load_device
from simdl.kernels.convolution_table import read_convolution_table
from validation.calibration.session import fit_file
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.journal import finish_journal, start_journal
from validation.microbenchmarks.measurement import Setting

SETTING = Setting(
    device="NVIDIA H100 80GB HBM3",
    driver="d",
    backend="cupy",
    software={"cupy": "14"},
    processes=1,
    threads=1,
)


def write_measurements(path):
    kernels = measure(build_truth())
    copies = [
        replace(
            kernels[0],
            case=Case(family="copy", kernel="copy/device", dims={"bytes": nbytes}, nbytes=2.0 * nbytes),
            value=2 * nbytes / 2.9e12,
        )
        for nbytes in (2**24, 2**28)
    ]
    rows = [replace(row, setting=SETTING, date="2026-11-26T12:00:00+00:00") for row in kernels + copies]
    start_journal(path, rows)
    finish_journal(path)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "measurements-1.csv"
    write_measurements(path)
    return fit_file(path, scope().facts)


def test_the_profile_is_the_registered_device_with_fitted_fractions(calibration):
    profile = next(path for path in calibration.files if path.suffix == ".toml")
    device, base = load_cluster(str(profile)).device, load_device("h100-sxm-80gb")
    assert device.matmul.fraction["fp32"] == pytest.approx(TRUE["matmul.fraction.fp32"], rel=0.03)
    assert device.peak_flop_rate == base.peak_flop_rate
    assert device.memory_bandwidth == base.memory_bandwidth
    assert "elementwise/relu" in device.kernels
    assert not any(key.startswith(("matmul", "convolution", "attention")) for key in device.kernels)


def test_residuals_are_those_of_the_fit(calibration):
    errors = sorted(abs(residual.error) for residual in calibration.residuals)
    assert errors[len(errors) // 2] < 0.05


def test_tables_hold_one_arithmetic(calibration):
    tables = [path for path in calibration.files if path.name.startswith("convolutions-")]
    assert tables
    for path in tables:
        assert read_convolution_table(path)
