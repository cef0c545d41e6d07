"""Which links a step uses: a network 10,000 times as slow shows in each step that needs it, in no other."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from hardware.cluster import Cluster
from simdl.communication import Group, Operation, collective_time, find_hop, hop_time, ring_time
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy

pytestmark = pytest.mark.theory

SLOWER = 1e4
NBYTES = 1e9
MICROBATCHES = 16


def slowed(cluster):
    """The cluster with a network of 1/10,000 of the bandwidth and 10,000 times the latency."""
    *inside, network = cluster.levels
    link = network.link
    link = replace(link, bandwidth=link.bandwidth / SLOWER, latency=link.latency * SLOWER)
    levels = (*inside, replace(network, link=link))
    return Cluster(node=replace(cluster.node, levels=levels), count=cluster.count)


def reports(cluster, strategy):
    """Of one step, on the cluster and on the slowed one; sends run on the compute stream."""
    workload = build_workload(build_network(16, vocab=8), global_batch=MICROBATCHES)
    stack = build_stack(pipeline_overlap=False)
    return [simulate(workload, each, strategy, stack=stack).report for each in (cluster, slowed(cluster))]


def sending_time(report):
    (seconds,) = (use.seconds for use in report.communication if use.purpose == "send activation")
    return seconds


@pytest.mark.parametrize(
    ("strategy", "crossed", "boundaries"),
    [
        (Strategy(pp=16), 1, 15),
        (Strategy(pp=4, dp=4), 1, 3),
        (Strategy(pp=2, dp=8), 1, 1),
        (Strategy(pp=8, dp=2, schedule="interleaved-1f1b", virtual_stages=2), 3, 15),
    ],
)
def test_a_pipeline_over_two_nodes_needs_the_network_at_the_boundaries_between_them(
    strategy, crossed, boundaries
):
    """Two nodes of eight: 7 -> 8 of one chain of 16 ranks; interleaved stages go round and back once."""
    cluster = build_cluster(2, devices=8)
    fast, slow = reports(cluster, strategy)
    nbytes = next(use for use in fast.communication if use.purpose == "send activation")
    message = nbytes.nbytes / nbytes.count
    width = strategy.devices // strategy.pp
    times = [
        hop_time(message, find_hop(8 - width, 7 + width, senders=width, cluster=each), each)
        for each in (cluster, slowed(cluster))
    ]
    inside = hop_time(message, find_hop(0, 1, senders=1, cluster=cluster), cluster)
    messages = strategy.microbatches(MICROBATCHES) / strategy.pp
    expected = [messages * (crossed * time + (boundaries - crossed) * inside) for time in times]
    assert [sending_time(fast), sending_time(slow)] == pytest.approx(expected, rel=1e-9)
    assert slow.step_time - fast.step_time >= strategy.microbatches(MICROBATCHES) * (times[1] - times[0])


def test_a_pipeline_within_a_node_does_not_need_the_network():
    fast, slow = reports(build_cluster(1, devices=8), Strategy(pp=4, dp=2))
    assert slow.step_time == fast.step_time


@pytest.mark.parametrize("strategy", [Strategy(cp=16), Strategy(cp=4, tp=4), Strategy(cp=8, tp=2)])
def test_a_ring_over_two_nodes_goes_at_the_pace_of_the_network(strategy):
    fast, slow = reports(build_cluster(2, devices=8), strategy)
    assert slow.breakdown["context_communication"] > 100 * fast.breakdown["context_communication"]
    assert slow.step_time > 10 * fast.step_time


def test_a_ring_within_a_node_does_not_need_the_network():
    fast, slow = reports(build_cluster(2, devices=8), Strategy(cp=8, dp=2))
    assert slow.breakdown["context_communication"] == fast.breakdown["context_communication"]


@pytest.mark.parametrize(("tp", "flows"), [(1, 1), (2, 2), (4, 4), (8, 8)])
@pytest.mark.parametrize(("ports", "alone"), [(1, 1.0), (4, 1.0), (8, 1.0), (16, 2.0)])
def test_only_ranks_whose_hop_leaves_the_node_share_its_ports(tp, flows, ports, alone):
    """tp rings leave a node of eight: each gets ports / tp of them, at most one or its part of many."""
    cluster = with_ports(build_cluster(2, devices=8), ports)
    link = cluster.levels[1].link
    seconds = ring_time(1e12, Group(size=16 // tp, stride=tp), cluster)
    used = 1e12 / seconds / (link.bandwidth * link.efficiency)
    slowest = min(used_inside(cluster), ports / flows, alone)
    assert used == pytest.approx(slowest, rel=0.01)


def with_ports(cluster, ports):
    *inside, network = cluster.levels
    levels = (*inside, replace(network, ports=ports))
    return Cluster(node=replace(cluster.node, levels=levels), count=cluster.count)


def used_inside(cluster):
    """Ports of the network that one link inside the node is worth."""
    inside, network = (level.link for level in cluster.levels)
    return inside.bandwidth * inside.efficiency / (network.bandwidth * network.efficiency)


@pytest.mark.parametrize(("size", "stride"), [(6, 1), (3, 1), (2, 3), (3, 2), (12, 1)])
@pytest.mark.parametrize("operation", list(Operation))
def test_a_group_that_straddles_nodes_of_eight_needs_the_network(operation, size, stride):
    """Of groups of 6, the second has ranks 6 to 11: two on one node, four on the next."""
    times = [straddling(operation, size, stride, cluster) for cluster in networks(3)]
    assert times[1] > 1000 * times[0]


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (4, 1), (2, 4), (4, 2), (2, 2)])
@pytest.mark.parametrize("operation", list(Operation))
def test_an_aligned_group_does_not_need_the_network(operation, size, stride):
    assert len({straddling(operation, size, stride, cluster) for cluster in networks(3)}) == 1


def straddling(operation, size, stride, cluster):
    return collective_time(operation, NBYTES, Group(size=size, stride=stride), cluster).time


def networks(nodes):
    cluster = build_cluster(nodes, devices=8)
    return cluster, slowed(cluster)


def test_the_embedding_that_both_ends_of_a_pipeline_share_stays_in_their_node():
    """Ranks 0 and 1 with 6 and 7 of one node: two at stride 6 fit once, so no other group straddles."""
    assert len({straddling(Operation.ALL_REDUCE, 2, 6, cluster) for cluster in networks(1)}) == 1
