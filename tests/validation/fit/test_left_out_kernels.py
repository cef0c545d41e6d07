import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hardware.power_shares import power_shares
from hardware.profiles import device_names, load_device
from hardware.sustained import power_exponent
from validation.commands.kernels import kernels
from validation.errors import MeasurementError
from validation.fit.kernel_families import Fitted, architecture, family_fractions
from validation.fit.kernels import with_fractions
from validation.kernels.compare import PUBLISHED

SHARES = st.floats(0.2, 0.95)


def fitted(name, **fractions):
    named = {path.replace("__", "."): value for path, value in fractions.items()}
    return Fitted(device=load_device(name), fractions=named, rows=dict.fromkeys(named, 20))


def made(device, fraction):
    return fitted(device, matmul__fraction__bf16=fraction, memory__fraction=fraction)


@pytest.mark.property
@given(ampere=SHARES, hopper=SHARES, own=SHARES)
def test_what_a_device_achieves_is_not_read_when_it_is_left_out(ampere, hopper, own):
    others = [made("a100-sxm-80gb", ampere), made("h100-sxm-80gb", hopper)]
    device = load_device("h200")
    changed = replace(
        device, matmul=replace(device.matmul, fraction=dict.fromkeys(device.peak_flop_rate, own))
    )
    assert family_fractions(device, others) == family_fractions(changed, others)


@pytest.mark.property
@given(ampere=SHARES, hopper=SHARES)
def test_a_fraction_told_by_others_lies_between_theirs_and_nearer_to_the_near_one(ampere, hopper):
    others = [
        fitted("a100-sxm-80gb", memory__fraction=ampere),
        fitted("h100-sxm-80gb", memory__fraction=hopper),
    ]
    found = family_fractions(load_device("h200"), others)["memory.fraction"]
    assert min(ampere, hopper) * (1 - 1e-9) <= found <= max(ampere, hopper) * (1 + 1e-9)
    assert abs(found / hopper - 1) <= abs(found / ampere - 1) + 1e-9 or ampere == hopper


@pytest.mark.theory
def test_a_board_with_less_power_for_the_same_peak_is_expected_to_reach_less_of_it():
    others = [made("a100-sxm-80gb", 0.82), made("h100-sxm-80gb", 0.78), made("a40", 0.82)]
    h100 = load_device("h100-sxm-80gb")
    shares = [
        family_fractions(replace(h100, power=watts), others)["matmul.fraction.bf16"]
        for watts in (1000.0, 700.0, 350.0, 100.0)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.7 * shares[0]


@pytest.mark.theory
@pytest.mark.parametrize(("dtype", "slope"), [("bf16", power_exponent()), ("fp32", 1.0)])
def test_far_above_what_its_board_can_feed_a_device_slows_down_by_its_power(dtype, slope):
    """Operations per joule on vector units, the clock of `hardware.sustained` on matrix units."""
    path = f"matmul__fraction__{dtype}"
    others = [fitted("a100-sxm-80gb", **{path: 0.82}), fitted("h100-pcie-80gb", **{path: 0.7})]
    device = load_device("h100-sxm-80gb")
    low, lower = (
        family_fractions(replace(device, power=watts), others)[f"matmul.fraction.{dtype}"]
        for watts in (10.0, 5.0)
    )
    assert lower == pytest.approx(low / 2**slope, rel=1e-3)


@pytest.mark.theory
def test_eight_bits_ask_half_the_power_of_sixteen():
    found = family_fractions(load_device("h100-pcie-80gb"), [made("h100-sxm-80gb", 0.78)])
    assert found["matmul.fraction.fp8"] == pytest.approx(found["matmul.fraction.bf16"], rel=1e-3)


def test_products_that_are_over_before_the_limit_acts_may_draw_more():
    """A board of 70 W: at the limit FP32 products go with power, and brief ones get more of it."""
    known = Fitted(
        device=load_device("t4"),
        fractions={"matmul.fraction.fp32": 0.4, "matmul.brief.fp32": 0.4 * power_shares().momentary},
        rows={"matmul.fraction.fp32": 50, "matmul.brief.fp32": 50},
    )
    half = family_fractions(replace(load_device("t4"), power=35.0), [known])
    assert half["matmul.fraction.fp32"] == pytest.approx(0.2, rel=0.03)
    assert half["matmul.brief.fp32"] == pytest.approx(0.2 * power_shares().momentary, rel=0.03)
    rich = family_fractions(replace(load_device("t4"), power=7000.0), [known])
    assert rich["matmul.brief.fp32"] == pytest.approx(rich["matmul.fraction.fp32"])
    assert rich["matmul.fraction.fp32"] > 0.4 * power_shares().momentary * 0.99
    assert with_fractions(load_device("t4"), half).matmul.brief["fp32"] == half["matmul.brief.fp32"]


def test_algorithms_that_a_library_does_not_offer_stay_absent():
    device = load_device("xeon-phi-7250")
    taken = with_fractions(device, {"convolution.fraction.winograd": 0.4, "convolution.input_gradient": 0.5})
    assert "winograd" not in device.convolution.fraction
    assert taken.convolution.fraction == device.convolution.fraction
    assert taken.convolution.input_gradient == pytest.approx(0.5)


def test_an_architecture_without_a_year_is_named():
    device = replace(load_device("a100-sxm-80gb"), generation="abacus")
    with pytest.raises(MeasurementError, match=r"architectures\.toml: no year of 'abacus'.*ampere"):
        architecture(device)


def test_every_gpu_has_a_year_or_a_maker_without_tables():
    untold = {"tpu", "trainium", "wafer", "mobile"}
    for name in device_names():
        device = load_device(name)
        assert device.generation in untold or architecture(device).year >= 2012


@pytest.fixture(scope="module")
def answer():
    table = str(PUBLISHED / "gemm_reported.csv")
    result = CliRunner().invoke(kernels, ["--data", table, "--leave-out", "device", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.published
def test_products_of_a_device_left_out_are_predicted_from_the_others(answer):
    """Rows of validation/published/kernels, each with its source column."""
    overall = answer["summary"][0]
    assert (overall["kind"], overall["device"]) == ("products", "all")
    assert overall["left_out"]["median"] <= 0.13
    assert overall["fitted"]["median"] < overall["left_out"]["median"]


def test_rows_carry_both_predictions(answer):
    predicted = [row for row in answer["rows"] if row["skipped"] is None]
    assert predicted
    for row in predicted:
        assert row["kind"] == "products"
        assert row["predicted"] > 0
        assert row["left_out"] > 0


def test_one_device_cannot_be_left_out(tmp_path):
    lines = (PUBLISHED / "gemm_reported.csv").read_text().splitlines()
    table = tmp_path / "one.csv"
    table.write_text("\n".join([lines[0], *(line for line in lines if line.startswith("NVIDIA H200"))]))
    result = CliRunner().invoke(kernels, ["--data", str(table), "--leave-out", "device"])
    assert result.exit_code == 2
    assert "fewer than two registered devices" in result.output


def test_the_page_shows_devices_left_out(tmp_path):
    table = str(PUBLISHED / "gemm_reported.csv")
    arguments = ["--data", table, "--leave-out", "device", "--report", str(tmp_path)]
    result = CliRunner().invoke(kernels, arguments)
    assert result.exit_code == 0, result.output
    (page,) = tmp_path.glob("*.html")
    assert "each device left out of the fit" in page.read_text()
    assert "left out: median" in result.output


@pytest.mark.theory
def test_another_board_of_the_architecture_counts_more_than_other_architectures():
    others = [
        fitted("v100-sxm2-16gb", matmul__fraction__fp32=0.9),
        fitted("p100-sxm", matmul__fraction__fp32=0.7),
        fitted("p100-pcie", matmul__fraction__fp32=0.7),
    ]
    found = family_fractions(load_device("v100-pcie-32gb"), others)["matmul.fraction.fp32"]
    assert found > 0.8  # the mean of all three is 0.77
