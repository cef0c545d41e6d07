"""A GPU's measurements to a profile over its registered device, on rows that the cost model made."""

import pytest

from hardware.profiles import load_cluster, load_device
from simdl.kernels.cost_model import estimate_kernel_time
from validation.calibration.calibrate import calibrate
from validation.calibration.fit_gpu import with_fraction
from validation.calibration.profile import format_profile
from validation.errors import MeasurementError
from validation.microbenchmarks.backend import DeviceFacts, Offer
from validation.microbenchmarks.case import case_kernel
from validation.microbenchmarks.families.matmul import matmul_cases
from validation.microbenchmarks.families.overheads import copy_cases
from validation.microbenchmarks.families.streaming import streaming_cases
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.scope import Scope

BASE = "h100-sxm-80gb"
TRUE = 0.61
FACTS = DeviceFacts(
    name="NVIDIA H100 80GB HBM3",
    kind="cuda",
    driver="570.00",
    memory=80e9,
    cache=50e6,
    multiprocessors=132,
    registered=BASE,
)
SETTING = Setting(
    device=FACTS.name, driver="570.00", backend="cupy", software={"cupy": "14"}, processes=1, threads=1
)
OFFER = Offer(dtypes=("bf16",), algorithms=(), kernels=frozenset({"elementwise/add", "elementwise/relu"}))
SCOPE = Scope(quick=True, facts=FACTS, offer=OFFER)


def measurement(case, seconds):
    return Measurement(setting=SETTING, case=case, turn=0, date="2026-11-26T12:00:00+00:00", value=seconds)


def rows():
    device = with_fraction(load_device(BASE), "matmul.fraction.bf16", TRUE)
    for case in (*matmul_cases(SCOPE), *streaming_cases(SCOPE)):
        yield measurement(case, estimate_kernel_time(case_kernel(case), device))
    for case in copy_cases(SCOPE):
        yield measurement(case, 3e-6 + case.nbytes / 2.5e12)


def test_the_profile_of_a_gpu_has_its_own_fractions_over_the_registered_device(tmp_path):
    fitted, residuals = calibrate(tuple(rows()), FACTS, "measurements-1.csv")
    path = tmp_path / "profile-1.toml"
    path.write_text(format_profile(fitted), encoding="utf-8")
    cluster = load_cluster(str(path))
    assert cluster.device.matmul.fraction["bf16"] == pytest.approx(TRUE, rel=0.02)
    assert cluster.device.peak_flop_rate == load_device(BASE).peak_flop_rate
    assert cluster.device.kernels["elementwise/add"].latency > 0
    assert cluster.node.measured_on["device"] == FACTS.name
    held_out = [abs(row.error) for row in residuals if row.timed.held_out]
    assert sorted(held_out)[len(held_out) // 2] < 0.05


def test_a_gpu_whose_peaks_nobody_knows_is_refused_by_name():
    unknown = DeviceFacts(
        name="Mystery 9000", kind="cuda", driver="", memory=1e9, cache=1e6, multiprocessors=1
    )
    with pytest.raises(MeasurementError, match="Mystery 9000: no registered device has its peaks"):
        calibrate(tuple(rows()), unknown, "measurements-1.csv")
