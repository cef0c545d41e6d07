"""Rules that the time of a collective keeps whatever the cluster, group, size, library and algorithm."""

from dataclasses import replace
from math import ceil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardware.cluster import Cluster, Level, NodeType
from hardware.link import Link
from simdl.communication import (
    Group,
    Operation,
    applicable_algorithms,
    collective_seconds,
    collective_time,
    extents,
    library_names,
    lower_bound,
    point_to_point_time,
)
from simdl.communication.cost import curves
from simdl.communication.library import load_library

pytestmark = pytest.mark.property

LINKS = st.builds(
    Link,
    name=st.sampled_from(["nvswitch3", "nvswitch2", "made-up"]),
    description=st.just(""),
    bandwidth=st.floats(1e9, 1e12),
    latency=st.floats(1e-7, 1e-4),
    efficiency=st.floats(0.3, 1.0),
    half_size=st.floats(1e3, 1e7),
)
LIBRARIES = st.sampled_from(library_names())
OPERATIONS = st.sampled_from(list(Operation))
SIZES = st.floats(1, 1e11)


def build(inside, outside, *, devices, nodes, topology="switch", ports=2.0):
    node = NodeType(
        name="drawn",
        description="",
        device=SimpleNamespace(memory_bandwidth=2e12, generation="hopper"),
        levels=(
            Level(name="node", link=inside, ports=ports, size=devices, topology=topology),
            Level(name="network", link=outside, ports=1.0, size=0, topology="switch"),
        ),
    )
    return Cluster(node=node, count=nodes)


@st.composite
def clusters(draw):
    return build(
        draw(LINKS),
        draw(LINKS),
        devices=draw(st.sampled_from([1, 2, 4, 8, 16])),
        nodes=draw(st.integers(2, 40)),
        topology=draw(st.sampled_from(["switch", "mesh", "torus", "bus"])),
        ports=draw(st.sampled_from([1.0, 2.0, 6.0, 18.0])),
    )


@st.composite
def placed_groups(draw):
    cluster = draw(clusters())
    stride = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 16]))
    assume(stride < cluster.devices)
    size = draw(st.integers(2, 1 + (cluster.devices - 1) // stride))
    return cluster, Group(size=size, stride=stride)


@given(placed_groups(), OPERATIONS, LIBRARIES, SIZES, st.floats(1, 100))
@settings(deadline=None)
def test_time_of_an_algorithm_and_protocol_never_falls_as_the_message_grows(
    placed, operation, library, size, factor
):
    cluster, group = placed
    for curve in curves(operation, group, cluster, library).values():
        assert curve.time(size * factor) >= curve.time(size) * (1 - 1e-12) > 0


@given(placed_groups(), OPERATIONS, LIBRARIES, SIZES, st.sampled_from(["bandwidth", "efficiency"]))
@settings(deadline=None)
def test_more_bandwidth_is_never_slower_by_the_same_way(placed, operation, library, size, what):
    cluster, group = placed
    levels = tuple(
        replace(level, link=replace(level.link, **{what: getattr(level.link, what) * 1.5}))
        for level in cluster.levels
    )
    faster = replace(cluster, node=replace(cluster.node, levels=levels))
    before = curves(operation, group, cluster, library)
    for way, curve in curves(operation, group, faster, library).items():
        assert curve.time(size) <= before[way].time(size) * (1 + 1e-12)


@given(placed_groups(), OPERATIONS, LIBRARIES, SIZES)
@settings(deadline=None)
def test_auto_takes_one_of_the_ways_that_the_library_offers(placed, operation, library, size):
    cluster, group = placed
    auto = collective_time(operation, size, group, cluster, library)
    offered = curves(operation, group, cluster, library)
    assert auto.time == offered[auto.algorithm, auto.protocol].time(size)
    if load_library(library).version is None:
        assert auto.time == min(curve.time(size) for curve in offered.values())


@given(placed_groups(), OPERATIONS, LIBRARIES, st.lists(SIZES, min_size=1, max_size=8))
@settings(deadline=None)
def test_tables_of_sizes_are_priced_as_single_sizes(placed, operation, library, sizes):
    cluster, group = placed
    table = collective_seconds(operation, np.array(sizes), group, cluster, library)
    single = [collective_time(operation, size, group, cluster, library).time for size in sizes]
    assert table == pytest.approx(single, rel=1e-12)


@given(placed_groups(), OPERATIONS, LIBRARIES, SIZES)
@settings(deadline=None)
def test_nothing_beats_the_bandwidth_bound(placed, operation, library, size):
    cluster, group = placed
    least = lower_bound(operation, size, group, cluster, library)
    for name in applicable_algorithms(operation, group, cluster, library):
        taken = collective_time(operation, size, group, cluster, library, name)
        assert taken.device_time >= least * (1 - 1e-9)


@given(placed_groups())
def test_extents_hold_the_group(placed):
    cluster, group = placed
    members, nodes = extents(group, cluster)
    assert group.size <= members * nodes < group.size + nodes
    assert members <= ceil(cluster.node.devices / group.stride)


@given(placed_groups())
def test_extents_are_those_of_the_worst_placed_group(placed):
    """Counted rank by rank over all groups that fit, in blocks of size * stride."""
    cluster, group = placed
    block, node = group.size * group.stride, cluster.node.devices
    span = block - group.stride
    worst = 0
    for start in range(0, cluster.devices - span, block):
        for first in range(start, min(start + group.stride, cluster.devices - span)):
            ranks = range(first, first + span + 1, group.stride)
            worst = max(worst, len({rank // node for rank in ranks}))
    assert extents(group, cluster)[-1] == worst


@given(placed_groups())
def test_extents_of_aligned_groups_divide_the_node(placed):
    cluster, group = placed
    node = cluster.node.devices
    block = group.size * group.stride
    assume(
        (block % node == 0 or node % block == 0) and (node % group.stride == 0 or group.stride % node == 0)
    )
    inside = min(group.size, max(1, node // group.stride))
    assert extents(group, cluster) == (inside, group.size // inside)


@given(clusters(), LIBRARIES, SIZES, st.floats(1, 50))
@settings(deadline=None)
def test_transfer_grows_with_size(cluster, library, size, factor):
    stride = cluster.devices // 2
    small = point_to_point_time(size, stride, cluster, library)
    large = point_to_point_time(size * factor, stride, cluster, library)
    slack = 4e-5 if load_library(library).version else 0.0  # where the library leaves its short protocol
    assert large >= small * (1 - 1e-12) - slack
    assert small > 0


@given(placed_groups(), LIBRARIES, SIZES)
@settings(deadline=None)
def test_all_reduce_is_at_least_its_all_gather(placed, library, size):
    cluster, group = placed
    gather = curves(Operation.ALL_GATHER, group, cluster, library, "ring")
    for way, curve in curves(Operation.ALL_REDUCE, group, cluster, library, "ring").items():
        assert curve.time(size) >= gather[way].time(size)
