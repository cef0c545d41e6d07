from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_device
from hardware.sustained import sustained_by_power
from validation.fit.patches import boards


@pytest.mark.published
@pytest.mark.parametrize("holder", ["a100-sxm-80gb", "h100-sxm-80gb", "b200", "v100-sxm2-16gb"])
def test_profiles_of_an_architecture_follow_from_one_number(holder):
    """Board powers of the vendors' datasheets, cited in each profile."""
    known = load_device(holder)
    for name in boards()[holder]:
        device = load_device(name)
        expected = sustained_by_power(device, known, known.sustained)
        assert device.sustained == pytest.approx(expected, abs=0.02), name


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "like"),
    [
        *((name, "a40") for name in ("a10", "a10g", "a2")),
        *((name, "l40s") for name in ("rtx-6000-ada", "rtx-5000-ada", "l4")),
        *((name, "v100-sxm2-16gb") for name in ("quadro-rtx-8000", "quadro-rtx-6000")),
    ],
)
def test_boards_that_take_the_products_of_another_have_the_clock_of_their_own_power(name, like):
    device, known = load_device(name), load_device(like)
    assert device.matmul.fraction["fp16"] == known.matmul.fraction["fp16"]
    assert device.sustained == pytest.approx(sustained_by_power(device, known, known.sustained), abs=0.005)


@pytest.mark.property
@given(watts=st.floats(100, 2000), factor=st.floats(1.0, 3.0), known=st.floats(0.3, 1.0))
def test_more_power_never_sustains_less_and_never_more_than_all(watts, factor, known):
    like = load_device("h100-sxm-80gb")
    low, high = (
        sustained_by_power(replace(like, power=each), like, known) for each in (watts, factor * watts)
    )
    assert low <= high * (1 + 1e-12)
    assert high <= 1.0
    assert sustained_by_power(like, like, known) == pytest.approx(known)


@pytest.mark.theory
def test_clocks_go_with_the_cube_root_of_what_is_left_above_idle_power():
    """An idle fifth of the power: the exponent is 1 / (3 x 0.8)."""
    like = load_device("h100-sxm-80gb")
    half = sustained_by_power(replace(like, power=like.power / 2), like, 0.8) / 0.8
    assert half == pytest.approx(0.5 ** (1 / 2.4))
