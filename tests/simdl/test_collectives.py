"""Group placement, algorithm choice and the physics of levels, on clusters worked out by hand."""

from types import SimpleNamespace

import pytest

from hardware.cluster import Cluster, Level, NodeType
from hardware.link import Link
from hardware.profiles import load_device
from simdl.communication import (
    Group,
    Operation,
    bus_factor,
    collective_time,
    extents,
    point_to_point_time,
    usual_library,
)
from simdl.communication.library import load_library, parse_library
from simdl.communication.network import channels
from simdl.errors import CollectiveError

GIB = 2.0**30


def link(name="made-up", bandwidth=1e11, latency=1e-6, half_size=1.0):
    return Link(
        name=name,
        description="",
        bandwidth=bandwidth,
        latency=latency,
        efficiency=1.0,
        half_size=half_size,
    )


def cluster(*, inside="made-up", nodes=4, devices=8, ports=8.0, topology="switch", inner_ports=4.0):
    node = NodeType(
        name="test-node",
        description="",
        device=SimpleNamespace(memory_bandwidth=2e12, generation="hopper"),
        levels=(
            Level(name="node", link=link(inside), ports=inner_ports, size=devices, topology=topology),
            Level(name="network", link=link("net", 1e10, 5e-6), ports=ports, size=0, topology="switch"),
        ),
    )
    return Cluster(node=node, count=nodes)


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [
        (8, 1, (8, 1)),
        (32, 1, (8, 4)),
        (4, 8, (1, 4)),
        (8, 4, (2, 4)),
        (4, 2, (4, 1)),
        (12, 1, (6, 2)),
        (11, 1, (6, 2)),
        (6, 1, (3, 2)),  # ranks 6 to 11
        (3, 1, (2, 2)),  # ranks 6 to 8
        (14, 1, (5, 3)),  # ranks 14 to 27
        (2, 3, (1, 2)),  # ranks 7 and 10
        (3, 2, (2, 2)),  # ranks 6, 8 and 10
        (8, 3, (3, 3)),  # a block of three whole nodes
        (2, 24, (1, 2)),  # only eight pairs fit
        (2, 31, (1, 2)),
    ],
)
def test_extents(size, stride, expected):
    assert extents(Group(size=size, stride=stride), cluster()) == expected


def test_extents_of_three_levels():
    two = cluster(nodes=16)
    levels = (
        two.levels[0],
        Level(name="rack", link=link(), ports=8, size=4, topology="switch"),
        two.levels[1],
    )
    three = Cluster(node=NodeType(name="r", description="", device=two.device, levels=levels), count=16)
    assert extents(Group(size=128), three) == (8, 4, 4)
    assert extents(Group(size=16, stride=8), three) == (1, 4, 4)
    assert extents(Group(size=4, stride=32), three) == (1, 1, 4)


@pytest.mark.parametrize(("size", "stride"), [(5, 1), (8, 1), (2, 3), (3, 2), (2, 7)])
def test_a_group_that_fits_only_once_into_a_node_stays_there(size, stride):
    assert extents(Group(size=size, stride=stride), cluster(nodes=1)) == (size, 1)


@pytest.mark.parametrize(("size", "stride"), [(33, 1), (5, 8), (0, 1), (2, 0)])
def test_group_must_fit(size, stride):
    with pytest.raises(CollectiveError, match=r"test-node:4: expected .* at most 32 devices"):
        extents(Group(size=size, stride=stride), cluster())


def test_rails_are_shared_by_the_ranks_of_a_node():
    inner, outer = channels((8, 4), cluster())
    assert inner.bandwidth == pytest.approx(4e11)
    assert outer.bandwidth == pytest.approx(8 * 1e10 / 8)


def test_mesh_group_reaches_part_of_the_ports():
    inner, _ = channels((3, 1), cluster(topology="mesh", inner_ports=7))
    assert inner.bandwidth == pytest.approx(2 * 1e11)


def test_two_neighbours_on_a_torus_share_one_link():
    torus = cluster(topology="torus", devices=64, inner_ports=6)
    inner, _ = channels((2, 1), torus)
    assert inner.bandwidth == pytest.approx(1e11)
    assert GIB / point_to_point_time(GIB, 1, torus) == pytest.approx(1e11, rel=0.01)


def test_torus_group_of_one_axis_uses_two_ports():
    inner, _ = channels((4, 1), cluster(topology="torus", devices=64, inner_ports=6))
    assert inner.bandwidth == pytest.approx(2 * 1e11)


def test_torus_rings_run_along_the_axes():
    inner, _ = channels((64, 1), cluster(topology="torus", devices=64, inner_ports=6))
    assert inner.latency * 63 == pytest.approx(3 * (4 - 1) * 1e-6)
    assert inner.bandwidth == pytest.approx(6 * 1e11)


def test_long_ring_reaches_the_rails():
    found = collective_time(Operation.ALL_GATHER, 1000 * GIB, Group(size=32), cluster())
    assert found.bus_bandwidth == pytest.approx(8 * 1e10, rel=0.01)


def test_two_node_tree_beats_the_wire_and_many_nodes_do_not():
    two = collective_time(
        Operation.ALL_REDUCE, 1000 * GIB, Group(size=16), cluster(), algorithm="double_tree"
    )
    assert two.bus_bandwidth == pytest.approx(15 / 8 * 8e10, rel=0.01)
    four = collective_time(
        Operation.ALL_REDUCE, 1000 * GIB, Group(size=32), cluster(), algorithm="double_tree"
    )
    assert four.bus_bandwidth == pytest.approx(31 / 32 * 8e10, rel=0.01)


def test_switch_reduction_only_where_the_link_offers_it():
    with pytest.raises(CollectiveError, match="in_switch all_reduce does not apply"):
        collective_time(Operation.ALL_REDUCE, GIB, Group(size=8), cluster(), algorithm="in_switch")
    offered = cluster(inside="nvswitch3")
    found = collective_time(Operation.ALL_REDUCE, GIB, Group(size=8), offered, algorithm="nvls")
    assert found.algorithm == "in_switch"


def test_one_rank_or_no_bytes_take_no_time():
    assert collective_time(Operation.ALL_REDUCE, GIB, Group(size=1), cluster()).time == 0
    assert collective_time(Operation.ALL_REDUCE, 0, Group(size=8), cluster()).time == 0
    assert point_to_point_time(0, 1, cluster()) == 0


def test_transfer_inside_a_node_is_faster_than_between_nodes():
    assert point_to_point_time(GIB, 1, cluster()) < point_to_point_time(GIB, 8, cluster())
    assert GIB / point_to_point_time(GIB, 8, cluster()) == pytest.approx(1e10, rel=0.01)


def test_bus_factor():
    assert bus_factor(Operation.ALL_REDUCE, 8) == 1.75
    assert bus_factor(Operation.ALL_TO_ALL, 8) == 0.875
    assert bus_factor(Operation.BROADCAST, 8) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: collective_time(Operation.ALL_REDUCE, -1, Group(size=2), cluster()), "at least 0"),
        (
            lambda: collective_time(Operation.ALL_REDUCE, 1, Group(size=2), cluster(), "ncl"),
            "did you mean nccl",
        ),
        (
            lambda: collective_time(Operation.BROADCAST, 1, Group(size=2), cluster(), algorithm="ring"),
            "expected auto or one of chain, tree",
        ),
        (
            lambda: collective_time(Operation.ALL_GATHER, 1, Group(size=6), cluster(), algorithm="recursive"),
            "recursive all_gather does not apply to 6 ranks",
        ),
        (lambda: point_to_point_time(1, 32, cluster()), "expected 1 to 31"),
    ],
)
def test_bad_requests_say_what_is_expected(call, message):
    with pytest.raises(CollectiveError, match=message):
        call()


BROKEN = """
description = "made up"
launch = { value = "5 parsecs", source = "here" }
overlap = { value = -1.5, source = "here" }
version = "mccl 1"
concurrent_peers = { value = 1 }

[sources.here]
kind = "measured"
title = "t"
location = "l"
read_on = 2026-11-21

[algorithms]
all_reduce = ["ring", "wheel"]
"""


def test_library_profile_faults_are_reported_together():
    with pytest.raises(CollectiveError) as fault:
        parse_library("odd", BROKEN)
    message = str(fault.value)
    assert "libraries/odd.toml: launch" in message
    assert "libraries/odd.toml: overlap" in message
    assert "libraries/odd.toml: version: found 'mccl'" in message
    assert "libraries/odd.toml: concurrent_peers" in message
    assert "libraries/odd.toml: algorithms.all_reduce: found ['wheel']; expected some of ring" in message


def test_a_version_is_part_of_a_library_name():
    assert load_library("nccl:2.21.5").version.number == (2, 21, 5)
    assert load_library("nccl").version.number == (2, 27, 7)
    assert load_library("gloo").version is None
    for name, message in (
        ("nccl:9.1", "unknown version '9.1' of nccl; expected a release from 2.5.7 to 2.30.7"),
        ("nccl:", "unknown version '' of nccl"),
        ("nccl:2.x", "unknown version '2.x' of nccl"),
        ("gloo:1.0", "gloo has no versions here"),
    ):
        with pytest.raises(CollectiveError, match=message):
            load_library(name)


@pytest.mark.parametrize(
    ("device", "library"),
    [
        ("mi300x", "rccl"),
        ("tpu-v4", "xla"),
        ("host-cpu", "gloo"),
        ("a100-sxm-80gb", "nccl"),
        ("mi250x", "rccl"),
    ],
)
def test_a_device_has_its_own_library(device, library):
    assert usual_library(load_device(device).generation) == library
