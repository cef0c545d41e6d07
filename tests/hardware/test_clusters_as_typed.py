"""Clusters as people type them: whole nodes, part of a node, and names near in meaning."""

import pytest

from hardware.cluster import part_of_node
from hardware.errors import HardwareError, UnknownNameError
from hardware.near_names import near_names
from hardware.profiles import load_cluster, load_node


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
        ("2x8xA100", "dgx-a100, dgx-a100-40gb, jean-zay-a100, a100-40gb-roce? (16 of them: dgx-a100:16gpus)"),
        ("h100x8", "dgx-h100, meta-h100-24k, h100-80gb-roce, h100-96gb-roce? (8 of them: dgx-h100:8gpus)"),
        ("2x DGX H100", "dgx-h100? (2 of them: dgx-h100:2)"),
        ("p5.48xlarge", "p5?"),
        ("a3-highgpu-8g", "a3-mega, a3-ultra?"),
        ("Standard_ND96isr_H100_v5", "azure-nd-h100-v5?"),
        ("hgxh100", "dgx-h100, meta-h100-24k, h100-80gb-roce, h100-96gb-roce?"),
        ("gb200", "gb200-nvl72?"),
    ],
)
def test_names_of_clouds_and_counts_of_devices_are_offered_what_they_mean(typed, offered):
    with pytest.raises(UnknownNameError) as caught:
        load_cluster(typed)
    assert str(caught.value).endswith(f"did you mean {offered}")


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
