"""Clusters as people type them: whole nodes, part of a node, and names near in meaning."""

import pytest

from hardware.cluster import part_of_node
from hardware.errors import HardwareError, UnknownNameError
from hardware.machine_types import machine_names
from hardware.near_names import near_names
from hardware.profiles import load_cluster, load_device, load_link, load_node, node_names

A100 = "dgx-a100, dgx-a100-40gb, jean-zay-a100, a100-40gb-roce"
H100 = "dgx-h100, h100-nvl-node, meta-h100-24k, h100-80gb-roce"


@pytest.mark.parametrize(
    ("text", "devices", "count", "name"),
    [
        ("dgx-a100:4gpus", 4, 1, "dgx-a100:4gpus"),
        ("dgx-a100:1gpu", 1, 1, "dgx-a100:1gpus"),
        ("dgx-a100:8gpus", 8, 1, "dgx-a100:1"),
        ("dgx-a100:16gpus", 16, 2, "dgx-a100:2"),
        ("gb200-nvl72:32gpus", 32, 1, "gb200-nvl72:32gpus"),
        ("tpu-v4-slice:4chips", 4, 1, "tpu-v4-slice:4gpus"),
    ],
)
def test_part_of_a_node(text, devices, count, name):
    cluster = load_cluster(text)
    assert (cluster.devices, cluster.count, cluster.name) == (devices, count, name)
    assert load_cluster(cluster.name).devices == devices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dgx-a100:9gpus",
            "found 9 devices; expected at most the 8 of a node, or a multiple of them such as 8",
        ),
        ("dgx-a100:0gpus", "found count '0gpus'; expected NODE:COUNT"),
        ("dgx-a100:4 gpus", "found count '4 gpus'; expected NODE:COUNT"),
    ],
)
def test_devices_that_no_node_has(text, message):
    with pytest.raises(HardwareError, match=message):
        load_cluster(text)


def test_a_part_is_of_one_node():
    with pytest.raises(HardwareError, match="node dgx-a100: found 9 devices; expected 1 to 8"):
        part_of_node(load_node("dgx-a100"), 9)


@pytest.mark.parametrize(
    ("typed", "first"), [("h100", "dgx-h100"), ("A100", "dgx-a100"), ("b200", "dgx-b200")]
)
def test_near_in_meaning_comes_first(typed, first):
    with pytest.raises(UnknownNameError, match=f"did you mean {first}"):
        load_node(typed)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("8x4090", "rtx-4090-node? (8 of them: rtx-4090-node:8gpus)"),
        ("2x8xA100", f"{A100}, p4d, p4de? (16 of them: dgx-a100:16gpus)"),
        ("h100x8", f"{H100}, p5, a3-mega? (8 of them: dgx-h100:8gpus)"),
        ("titan", "titan-v-node, titan-xp-node, titan-rtx-node, titan-x-pascal-node, cray-xk7?"),
        ("2x DGX H100", "dgx-h100, dgx-superpod-h100? (2 of them: dgx-h100:2)"),
        ("p5.96xlarge", "p5, p5e, p5en?"),
        ("p2.16xlarge", "p2-k80, p2-xlarge?"),
        ("p6-b200.48xlarge", "dgx-b200?"),
        ("a3-edgegpu-8g", "a3-mega, a3-ultra, a3-highgpu?"),
        ("Standard_NC64as_T4_v3", "g4dn?"),
        ("ND96asr", "nd96asr_a100_v4, nd96asr_v4?"),
        ("hgxh100", f"{H100}?"),
        ("gb200", "gb200-nvl72?"),
    ],
)
def test_names_of_clouds_and_counts_of_devices_are_offered_what_they_mean(typed, offered):
    with pytest.raises(UnknownNameError) as caught:
        load_cluster(typed)
    assert str(caught.value).endswith(f"did you mean {offered}")


@pytest.mark.parametrize(
    ("typed", "name", "devices"),
    [
        ("p3.16xlarge:2", "p3:2", 16),
        ("p3.8xlarge", "p3:4gpus", 4),
        ("g5.12xlarge:2gpus", "g5:2gpus", 2),
        ("a2-highgpu-8g:16", "a2-highgpu:16", 128),
        ("Standard_ND96isr_H100_v5:4", "azure-nd-h100-v5:4", 32),
        ("v3-32", "tpu-v3-slice:16gpus", 16),
        ("v5litepod-16", "tpu-v5e-slice:16gpus", 16),
    ],
)
def test_machines_of_clouds_are_the_node_types_that_they_are(typed, name, devices):
    cluster = load_cluster(typed)
    assert (cluster.name, cluster.devices) == (name, devices)


def test_every_listed_machine_is_a_registered_node_type_or_part_of_one():
    assert [name for name in machine_names() if not load_cluster(name).devices] == []
    assert not set(machine_names()) & set(node_names())


@pytest.mark.parametrize("typed", ["p3.8xlarge:2", "p3.8xlarge:8gpus", "v4-8:2"])
def test_several_machines_that_are_part_of_a_node_need_a_file(typed):
    with pytest.raises(HardwareError, match=r"found more than one machine of 4 devices, .*; expected one"):
        load_cluster(typed)


@pytest.mark.parametrize("typed", ["dl1.24xlarge", "inf2.48xlarge", "g3.4xlarge", "n1-standard-96"])
def test_machines_with_devices_that_are_not_registered_are_offered_none(typed):
    with pytest.raises(UnknownNameError, match="registered, which `simdl hardware` lists"):
        load_cluster(typed)


def test_a_short_name_is_not_part_of_a_longer_number():
    assert near_names("l4", ["p4d", "l40s-node", "g6"], {"g6": "AWS g6 with an L4"}) == ["g6"]
    assert near_names("rtx4090", ["8x-rtx-4090", "rtx-3090-node"], {}) == ["8x-rtx-4090"]


@pytest.mark.theory
@pytest.mark.parametrize(("devices", "hosts"), [(72, 36), (8, 4), (3, 2), (1, 1)])
def test_a_part_of_a_rack_has_the_hosts_that_serve_it(devices, hosts):
    """One Grace of 480 GB serves two devices."""
    host = load_cluster(f"gb200-nvl72:{devices}gpus").node.host
    assert host.memory == pytest.approx(hosts * 480e9)
    assert host.bandwidth == pytest.approx(hosts * 384e9)
    assert host.cores == hosts * 72


@pytest.mark.theory
def test_a_part_of_a_node_has_its_one_host_whole():
    assert load_cluster("dgx-h100:2gpus").node.host is load_node("dgx-h100").host


def test_letters_of_a_name_are_typed_large_or_small():
    assert load_cluster("GB200-NVL72:32gpus").name == load_cluster("gb200-nvl72:32gpus").name
    assert load_device("L40S") == load_device("l40s")
    assert load_link("NVLink4").name == "nvlink4"
