"""Power of devices: closed form, bounds, sources, and nodes that were metered."""

import re
from dataclasses import replace

import pytest
from builders import build_device
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import HardwareError
from hardware.power_shares import power_shares
from hardware.profiles import device_names, load_device, load_node
from simdl.power.device_power import device_power_model

shares = st.floats(0, 1)


@pytest.mark.theory
def test_power_runs_from_idle_to_the_board_limit():
    model = device_power_model(load_device("h100-sxm-80gb"))
    assert model.device(compute=0, memory=0) == model.idle == 137
    assert model.device(compute=1, memory=0) == model.board == 700
    assert model.device(compute=0.5, memory=0) == pytest.approx(137 + 563 / 2)
    assert model.device(compute=0, memory=1) == pytest.approx(137 + 563 * power_shares().streaming)


@pytest.mark.property
@given(name=st.sampled_from(device_names()), compute=shares, memory=shares, more=shares)
def test_power_grows_with_either_utilisation_and_stays_within_the_board(name, compute, memory, more):
    device = load_device(name)
    if not device.power:
        with pytest.raises(HardwareError, match=r"no board power"):
            device_power_model(device)
        return
    model = device_power_model(device)
    low = model.device(compute=compute, memory=memory)
    assert model.idle <= low <= model.board
    assert model.device(compute=min(1, compute + more), memory=memory) >= low
    assert model.device(compute=compute, memory=min(1, memory + more)) >= low


@pytest.mark.published
def test_the_host_and_an_idle_device_draw_what_the_idle_cluster_of_bloom_did():
    """256,646 kWh beside 1,082,990 GPU hours of A100 80 GB: Luccioni et al. 2022, arXiv:2211.02001.

    The paper's own page was not seen; its summary at emergentmind.com, topics/carbon-footprint-of-bloom,
    section 1 (Emission Quantification: High-Level Figures), quotes both numbers.
    """
    printed = 256_646e3 / 1_082_990
    own = device_power_model(load_device("a100-sxm-80gb"), load_node("jean-zay-a100"))
    assert own.idle + own.host == pytest.approx(printed, rel=0.01)
    elsewhere = device_power_model(load_device("a100-sxm-80gb"))
    assert elsewhere.idle + elsewhere.host == pytest.approx(printed, rel=0.25)


@pytest.mark.theory
def test_every_number_says_what_it_rests_on():
    measured = device_power_model(load_device("v100-sxm2-32gb")).notes  # inherits the 16 GB card's
    assert any("idle power 53 W (measured)" in note for note in measured)
    assumed = device_power_model(replace(build_device(), power=100.0))
    assert assumed.idle == pytest.approx(20)
    kinds = re.compile(r"\((datasheet|measured|derived|assumed)")
    assert all(kinds.search(note) for note in (*measured, *assumed.notes))
