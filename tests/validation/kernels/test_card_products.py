"""Fractions of cards are what their table of matrix products says over the datasheet's peak."""

import csv
from importlib import resources

import pytest

from hardware.profiles import load_device

TABLE = resources.files("validation") / "kernels/card_products.csv"


@pytest.mark.published
def test_fractions_are_measured_rates_over_the_peak():
    found = {}
    for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()):
        found.setdefault((row["device"], row["precision"]), []).append(float(row["achieved_tflops"]))
    assert found
    for (name, precision), rates in found.items():
        device = load_device(name)
        measured = sum(rates) / len(rates) * 1e12 / device.peak_flop_rate[precision]
        assert device.matmul.fraction[precision] == pytest.approx(min(1.0, measured), abs=5e-4)
