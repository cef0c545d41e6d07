"""Fitted fractions written as a profile and read back."""

from dataclasses import replace

import pytest
from gpu_facts import H100

from hardware.profiles import load_cluster, load_device
from validation.calibration.fit_gpu import GpuFit
from validation.calibration.gpu_profile import calibrate_gpu, gpu_device_lines
from validation.errors import MeasurementError

FRACTIONS = {
    "matmul.fraction.fp32": 0.9123,
    "matmul.fraction.bf16": 0.61,
    "memory.fraction": 0.8,
    "attention.backward": 0.41,
    "convolution.fraction.winograd": 0.33,
    "convolution.input_gradient": 0.71,
}
REST = """
[sources.measured]
kind = "fitted"
title = "simdl calibrate"
location = "measurements-1.csv"
read_on = 2026-11-26

[[levels]]
name = "node"
link = "nvlink4"
topology = "switch"
ports = { value = 1, source = "measured" }
size = { value = 1, source = "measured" }

[[levels]]
name = "network"
link = "ethernet-10g"
topology = "switch"
ports = { value = 1, source = "measured" }
size = { value = 0, source = "measured" }
"""


def test_fractions_come_back_from_the_profile(tmp_path):
    base = load_device("h100-sxm-80gb")
    fit = GpuFit(device=base, fractions=FRACTIONS, rows={"matmul.fraction.fp32": 17}, terms={})
    lines = list(gpu_device_lines(fit, "cupy-h100"))
    assert any("17 rows" in line for line in lines)
    path = tmp_path / "profile.toml"
    path.write_text('description = "measured"\n' + REST + "\n".join(lines) + "\n")
    device = load_cluster(str(path)).device
    assert device.name == "cupy-h100"
    assert (device.matmul.fraction["fp32"], device.matmul.fraction["bf16"]) == (0.9123, 0.61)
    assert device.matmul.fraction["tf32"] == base.matmul.fraction["tf32"]
    assert (device.memory.fraction, device.attention.backward) == (0.8, 0.41)
    assert device.convolution.fraction == {**base.convolution.fraction, "winograd": 0.33}
    assert device.convolution.input_gradient == 0.71
    assert device.peak_flop_rate == base.peak_flop_rate


def test_a_gpu_that_nobody_registered_is_refused():
    with pytest.raises(MeasurementError, match="no registered device has its peaks"):
        calibrate_gpu([], replace(H100, name="NVIDIA X", registered=""))


def test_too_few_rows_are_refused():
    with pytest.raises(MeasurementError, match="too few rows to fit any fraction"):
        calibrate_gpu([], H100)
