"""Every shipped profile loads, what the project promises is registered, and peaks are the published ones."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from hardware.profile_sources import shared_sources
from hardware.profiles import (
    device_names,
    link_names,
    load_cluster,
    load_device,
    load_link,
    load_node,
    node_names,
)

ROOT = Path(__file__).resolve().parents[2]
DEVICES = """
    k80 titan-x-maxwell m40 p40 p4 p100-sxm p100-pcie v100-sxm2-16gb v100-sxm2-32gb v100-sxm3-32gb
    v100-pcie-16gb v100-pcie-32gb t4 a100-sxm-40gb a100-sxm-80gb a100-pcie-40gb a100-pcie-80gb a40
    h100-sxm-80gb h100-pcie-80gb h100-sxm-96gb-hbm2e-500w h200 b200 gb200 gb300 mi100 mi250x mi300x
    gaudi2 tpu-v2 tpu-v3 tpu-v4 tpu-v5e tpu-v5p tpu-v6e cs-1 host-cpu xeon-phi-7250
    rtx-2080-ti titan-rtx quadro-rtx-8000 rtx-3090 rtx-4090 rtx-a6000 rtx-6000-ada a10 l40s
    rtx-pro-6000-blackwell h200-nvl trainium1-core
    a10g l4 a800-sxm-80gb h800-sxm-80gb h20 mi325x mi350x mi355x gaudi3 trainium2-core tpu-v1 tpu-v7 k20x b300
    titan-x-pascal gtx-1080-ti
"""
LINKS = """
    nvlink1 nvlink2 nvlink3 nvlink4 nvlink5 nvswitch1 nvswitch2 nvswitch3 nvswitch4 pcie3-x16 pcie4-x16
    pcie5-x16 infiniband-edr infiniband-hdr infiniband-ndr ethernet-10g ethernet-25g ethernet-40g
    ethernet-100g ethernet-200g ethernet-400g roce-10g roce-25g roce-40g roce-100g roce-200g roce-400g
    efa-100g efa-v2-100g omni-path-100 xgmi2 xgmi3 gaudi-roce-100g ici-v2 ici-v3 ici-v4 ici-v5e ici-v5p
    ici-v6e tpu-dcn shared-memory neuronlink-v2 aries ethernet-1g
"""
NODES = """
    dgx-1-p100 dgx-1-v100 dgx-1-v100-32gb dgx-2 dgx-2h p3dn p4d p5 dgx-a100 dgx-a100-40gb dgx-h100
    dgx-h200 dgx-b200 gb200-nvl72 gb300-nvl72 tpu-v2-slice tpu-v3-slice tpu-v4-slice tpu-v5e-slice
    tpu-v5p-slice tpu-v6e-slice p40-roce100 jean-zay-a100 a100-80gb-roce a100-40gb-roce h100-96gb-roce
    a100-80gb-meta mi250x-node mi300x-node hls-gaudi2 cs-1-node cpu-node azure-nd-a100-v4
    azure-nd-h100-v5 p2-k80 k80-server g4dn a40-node h100-pcie-node a100-pcie-node v100-pcie-node
    rtx-2080-ti-node titan-rtx-node quadro-rtx-8000-node rtx-3090-node rtx-4090-node rtx-a6000-node
    rtx-6000-ada-node a10-node l40s-node rtx-pro-6000-blackwell-node h200-nvl-node trn1-32xlarge dgx-a800
    p4de p5e p5en g5 g6 trn2-48xlarge a3-mega a3-ultra azure-nd-h200-v5 hgx-h800 hgx-h20 dgx-b300 mi325x-node
    mi350x-node mi355x-node hls-gaudi3 tpu-v7-slice tpu-v1-node cray-xk7 titan-x-pascal-node
    titan-x-maxwell-node xc50-p100 p2-xlarge
"""
GENERATIONS = {
    "kepler",
    "maxwell",
    "pascal",
    "volta",
    "turing",
    "ampere",
    "ada",
    "hopper",
    "blackwell",
    "cdna1",
    "cdna2",
    "cdna3",
    "cdna4",
    "gaudi2",
    "gaudi3",
    "tpu",
    "trainium",
    "wafer",
    "cpu",
    "mobile",
}
PROFILES = [
    *((load_device, name) for name in device_names()),
    *((load_link, name) for name in link_names()),
    *((load_node, name) for name in node_names()),
]


@pytest.mark.parametrize(
    ("promised", "registered"), [(DEVICES, device_names), (LINKS, link_names), (NODES, node_names)]
)
def test_what_is_promised_is_registered(promised, registered):
    assert set(promised.split()) - set(registered()) == set()


@pytest.mark.parametrize(("load", "name"), PROFILES)
def test_profiles_load_once_with_their_sources(load, name):
    profile = load(name)
    assert profile.name == name
    assert profile.description
    assert profile.numbers
    assert load(name) is profile
    for number in profile.numbers:
        citation = number.citation
        assert citation.title, f"{name}: {number.path}"
        if not citation.location.startswith(("https://", "http://")):
            missing = [part for part in citation.location.split(", ") if not (ROOT / part).exists()]
            assert not missing, f"{name}: {number.path}"


@pytest.mark.parametrize("name", device_names())
def test_devices_are_of_a_known_generation_and_have_consistent_numbers(name):
    device = load_device(name)
    assert device.generation in GENERATIONS
    assert set(device.matmul.fraction) == set(device.peak_flop_rate)
    assert max(device.peak_flop_rate.values()) >= device.vector_flop_rate
    assert device.cache <= device.memory_capacity
    assert device.multiprocessors >= 1


@pytest.mark.parametrize("name", node_names())
def test_nodes_name_registered_parts_and_grow_outwards(name):
    node = load_node(name)
    assert load_device(node.device.name) is node.device
    assert all(load_link(level.link.name) is level.link for level in node.levels)
    assert [level.size for level in node.levels][-1] == 0
    assert all(level.size >= 1 for level in node.levels[:-1])
    assert load_cluster(f"{name}:3").devices == 3 * node.devices


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("k80", "fp32", 4.37e12),
        ("p100-sxm", "fp32", 10.6e12),
        ("p100-sxm", "fp16", 21.2e12),
        ("v100-sxm2-16gb", "fp16", 125e12),
        ("v100-pcie-32gb", "fp16", 112e12),
        ("t4", "fp16", 65e12),
        ("a100-sxm-80gb", "bf16", 312e12),
        ("a100-sxm-80gb", "tf32", 156e12),
        ("a100-sxm-80gb", "fp32", 19.5e12),
        ("a40", "bf16", 149.7e12),
        ("h100-sxm-80gb", "bf16", 989.4e12),
        ("h100-sxm-80gb", "fp8", 1978.9e12),
        ("h100-pcie-80gb", "bf16", 756e12),
        ("b200", "bf16", 2250e12),
        ("gb200", "fp8", 5000e12),
        ("mi250x", "bf16", 191.5e12),
        ("mi300x", "bf16", 1307.4e12),
        ("gaudi2", "bf16", 432e12),
        ("tpu-v2", "bf16", 46e12),
        ("tpu-v3", "bf16", 123e12),
        ("tpu-v4", "bf16", 275e12),
        ("tpu-v5e", "bf16", 197e12),
        ("tpu-v5p", "bf16", 459e12),
        ("tpu-v6e", "bf16", 918e12),
    ],
)
def test_published_dense_peaks(name, dtype, peak):
    """Datasheets and whitepapers of the vendors, as each profile cites them under [sources]; dense rates."""
    assert load_device(name).flop_rate(dtype) == pytest.approx(peak, rel=1e-12)


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "capacity", "bandwidth", "multiprocessors"),
    [
        ("p40", 24 * 2**30, 346e9, 30),
        ("v100-sxm2-16gb", 16 * 2**30, 900e9, 80),
        ("v100-sxm2-32gb", 32 * 2**30, 900e9, 80),
        ("a100-sxm-40gb", 40 * 2**30, 1555e9, 108),
        ("a100-sxm-80gb", 80 * 2**30, 2039e9, 108),
        ("h100-sxm-80gb", 80 * 2**30, 3.35e12, 132),
        ("b200", 183359 * 2**20, 8e12, 148),
        ("h200", 143771 * 2**20, 4.8e12, 132),
        ("mi300x", 192 * 2**30, 5.3e12, 304),
        ("tpu-v5e", 16 * 2**30, 819e9, 1),
    ],
)
def test_published_memories(name, capacity, bandwidth, multiprocessors):
    """Capacities as drivers report them: the GB of HBM on datasheets are GiB, less what the driver keeps."""
    device = load_device(name)
    assert device.memory_capacity == pytest.approx(capacity)
    assert device.memory_bandwidth == pytest.approx(bandwidth)
    assert device.multiprocessors == multiprocessors


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "devices", "inner", "network"),
    [
        ("dgx-1-p100", 8, 80e9, 4 * 12.5e9),
        ("dgx-1-v100", 8, 150e9, 4 * 12.5e9),
        ("dgx-2", 16, 150e9, 8 * 12.5e9),
        ("p3dn", 8, 150e9, 12.5e9),
        ("p4d", 8, 300e9, 4 * 12.5e9),
        ("p5", 8, 450e9, 32 * 12.5e9),
        ("dgx-a100", 8, 300e9, 8 * 25e9),
        ("dgx-h100", 8, 450e9, 8 * 50e9),
        ("dgx-b200", 8, 900e9, 8 * 50e9),
        ("gb200-nvl72", 72, 900e9, 72 * 50e9),
        ("p40-roce100", 8, 15.75e9, 12.5e9),
        ("jean-zay-a100", 8, 4 * 25e9, 4 * 12.5e9),
        ("tpu-v4-slice", 4096, 300e9, None),
        ("tpu-v5e-slice", 256, 200e9, None),
    ],
)
def test_published_bandwidths_of_one_direction(name, devices, inner, network):
    """Datasheets of links and system guides of nodes, as each profile cites them under [sources]."""
    node = load_node(name)
    first, last = node.levels[0], node.levels[-1]
    assert node.devices == devices
    assert first.ports * first.link.bandwidth == pytest.approx(inner)
    assert network is None or last.ports * last.link.bandwidth == pytest.approx(network)


def test_variants_differ_only_in_what_they_say():
    base, variant = load_device("v100-sxm2-16gb"), load_device("v100-sxm2-32gb")
    assert variant.memory_capacity == 2 * base.memory_capacity
    assert (variant.matmul, variant.memory, variant.peak_flop_rate) == (
        base.matmul,
        base.memory,
        base.peak_flop_rate,
    )
    assert {number.path for number in variant.numbers} == {number.path for number in base.numbers}
    cited = {number.path: number.citation for number in base.numbers}
    inherited = {
        number.path: number.citation for number in variant.numbers if number.path != "memory.capacity"
    }
    assert inherited.items() <= cited.items()


def test_sources_that_profiles_share_stand_once():
    files = [path.read_text() for path in (ROOT / "hardware" / "data").glob("*/*.toml")]
    own = {key for text in files for key in tomllib.loads(text).get("sources", ())}
    named = Counter(key for text in files for key in set(re.findall(r'source = "([^"]+)"', text)))
    assert not own & shared_sources().keys()
    assert {key for key in shared_sources() if named[key] < 2} == set()
