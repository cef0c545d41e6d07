"""What messages that pass members leave of a torus, against closed forms of its middle and against events."""

import pytest

from hardware.cluster import Level
from hardware.profiles import load_cluster, load_link
from hardware.topology import Torus
from simdl.communication import Group, Operation, collective_seconds
from simdl.topology.drawing import draw_level, link_loads
from simdl.topology.patterns import Pattern
from simdl.topology.torus import torus_share

pytestmark = pytest.mark.theory


def torus(*shape, ports=None):
    size = 1
    for side in shape:
        size *= side
    return Level(
        name="slice",
        size=size,
        link=load_link("ici-v4"),
        ports=ports or 2 * len(shape),
        topology="torus",
        wiring=Torus(shape=shape),
    )


@pytest.mark.parametrize("side", [3, 4, 5, 8, 16])
def test_an_all_to_all_sends_what_the_middle_of_a_ring_lets_through(side):
    passed = sum(min(ahead, side - ahead) for ahead in range(1, side))  # links, from one member to all others
    expected = (side - 1) / passed  # of two links, one each way
    found = torus_share(torus(side), Pattern.PAIRS, members=side, stride=1)
    assert found == pytest.approx(min(1.0, expected), rel=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (16, 16), (8, 8, 8), (4, 8)])
def test_no_all_to_all_crosses_the_middle_of_a_torus_faster_than_its_links(shape):
    level = torus(*shape)
    longest = max(shape)
    rate = torus_share(level, Pattern.PAIRS, members=level.size, stride=1) * level.ports
    across = level.size / 2 * rate * (level.size / 2) / (level.size - 1)
    links = 2 * level.size / longest  # both ways round the longest axis
    assert across <= links * (1 + 1e-9)
    assert across == pytest.approx(links, rel=1e-9)


@pytest.mark.parametrize(("distance", "links"), [(1, 1.0), (2, 1 / 2), (4, 1 / 4), (8, 1 / 4)])
def test_pairs_at_a_distance_share_the_links_between_them(distance, links):
    """All messages of a block cross its middle link; half way round, half go the other way."""
    found = torus_share(torus(16), Pattern.DOUBLING, members=2, stride=distance) * 2
    assert found == pytest.approx(links, rel=1e-12)


def test_an_all_to_all_over_a_torus_is_slower_than_over_a_switch():
    sizes = {"tpu-v5e-slice": (16, 16), "tpu-v4-64": (4, 4, 4)}
    for name, shape in sizes.items():
        cluster, nbytes = load_cluster(name), 2**28
        level, ranks = cluster.levels[0], cluster.devices
        crossing = ranks / 2 * nbytes / 2 / (2 * ranks / max(shape) * level.link.bandwidth)
        seconds = collective_seconds(Operation.ALL_TO_ALL, nbytes, Group(size=ranks), cluster, library="xla")
        assert crossing < seconds < 1.5 * crossing


def test_rings_pass_nobody_and_no_share_is_more_than_the_ports():
    level = torus(4, 4)
    assert torus_share(level, Pattern.RING, members=16, stride=1) == 1.0
    assert torus_share(torus(2, 2), Pattern.PAIRS, members=4, stride=1) <= 1.0
    cores = load_cluster("trn2-48xlarge").levels[0]  # eight share the links of a chip
    assert torus_share(cores, Pattern.PAIRS, members=128, stride=1) == 1.0


def test_no_link_of_a_torus_is_preferred():
    drawing = draw_level(torus(6, 6), "device")
    loads = [*link_loads(drawing, Pattern.PAIRS).values()]
    assert min(loads) > 0.7 * max(loads)
