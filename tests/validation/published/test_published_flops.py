"""Flop conventions of the sources, held to rows that print both a time and a rate."""

from statistics import median

import pytest

from simdl.step.strategy import Recompute
from validation.errors import RowSkippedError
from validation.published.rows.cells import optional_count, optional_measurement
from validation.published.rows.families import family_of
from validation.published.rows.flops import hardware_flops, old_bigscience_flops, reported_flops
from validation.published.rows.network import decoder_shape, plain_shape
from validation.published.rows.sources import source_defaults
from validation.published.tables import load_published


def printed_over_converted(file):
    """Printed TFLOP/s of each row over the one that its printed time and our convention give."""
    for row in load_published().rows:
        rate = optional_measurement(row, "tflops_per_device") if row.file == file else None
        if rate is None or row["moe_experts"]:  # conventions for experts are not printed
            continue
        try:
            shape = decoder_shape(row, tp=optional_count(row, "tp") or 1)
        except RowSkippedError:
            continue
        batch, devices = optional_count(row, "global_batch"), optional_count(row, "n_devices")
        seconds = optional_measurement(row, "step_time_s")
        if seconds is None:
            tokens = optional_measurement(row, "tokens_per_s_per_device")
            if tokens is None:
                continue
            seconds = batch * shape.tokens / (tokens * devices)
        convention = source_defaults(row["source"]).flops
        gated = family_of(row["source"], row["model"]).gated
        flops = reported_flops(convention, shape, batch, gated=gated)
        if "old" in row["notes"]:
            flops = old_bigscience_flops(float(row["n_params_b"]) * 1e9, shape, batch)
        yield rate * 1e12 * devices * seconds / flops


@pytest.mark.published
@pytest.mark.parametrize(
    ("file", "rows", "tolerance"),
    [
        ("bigscience-a100.csv", 57, 0.005),
        ("nvidia-nemo.csv", 34, 0.001),
        ("nvidia-megatron-bridge.csv", 58, 0.001),
        ("mosaic-llm-foundry.csv", 139, 0.01),
    ],
)
def test_conventions_reproduce_the_printed_rates(file, rows, tolerance):
    ratios = list(printed_over_converted(file))
    assert len(ratios) == rows
    assert median(ratios) == pytest.approx(1, abs=tolerance)


SHAPE = plain_shape(layers=4, hidden=256, vocab=1024, tokens=128, head_size=64)


@pytest.mark.theory
def test_megatron_convention_is_the_full_one_with_the_layers_recomputed():
    # Narayanan et al. 2021, section 5.1: 72 B s l h^2 (1 + s/6h) + 6 B s h V, 96 ... recomputed
    full = reported_flops("full", SHAPE, 2, gated=False)
    megatron = reported_flops("megatron", SHAPE, 2, gated=False)
    assert hardware_flops(SHAPE, 2, gated=False, recompute=Recompute.FULL) == pytest.approx(megatron)
    assert hardware_flops(SHAPE, 2, gated=False, recompute=Recompute.NONE) == full


@pytest.mark.theory
def test_causal_convention_drops_half_of_the_attention():
    full = reported_flops("full", SHAPE, 2, gated=False)
    causal = reported_flops("causal", SHAPE, 2, gated=False)
    assert full - causal == pytest.approx(6 * 2 * 4 * 128**2 * 256)
