"""Tori: what messages that are not between neighbours leave of the bandwidth of a member's links.

A message goes axis by axis, each the shorter way round, half of it each way where both are as long
(dimension-ordered routing, as in ICI and in Adiga et al. 2005, Blue Gene/L Torus Interconnection Network). So
it loads as many links as it passes members, and what all groups of a domain send at the same time is spread
evenly over the lines of an axis. A round lasts as long as the busiest link of the busiest axis. An all-to-all
over an axis of k members sends at 8/k of a link's rate: half of all bytes cross its middle. Rings are
laid along neighbours and pass nobody. Where members have too few ports for links of their own on every axis,
as the cores of one chip do, nothing is taken.
"""

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from hardware.cluster import Level
from simdl.topology.graph import torus_shape
from simdl.topology.patterns import Pattern, doubling_distances

Places = NDArray[np.intp]
"""Groups x members: places of members on one axis."""
ROUTED = frozenset({Pattern.PAIRS, Pattern.DOUBLING, Pattern.HALVING})


@lru_cache(maxsize=1024)
def torus_share(level: Level, pattern: Pattern, *, members: int, stride: int) -> float:
    """Share of a member's ports at which it can send while groups at all places of a domain do, in (0, 1].

    Args:
        level: a torus.
        pattern: of the messages.
        members: of a group.
        stride: distance of its members in the domain.
    """
    if level.topology != "torus" or pattern not in ROUTED or members < 2 or level.size < members:
        return 1.0
    shape = torus_shape(level, level.size)
    if level.ports < 2 * sum(side > 1 for side in shape):
        return 1.0
    links = level.ports / (2 * max(1, round(level.ports / 2)))
    places = _places(members, stride, level.size)
    apart = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    seconds = 0.0
    for share, distance in _rounds(pattern, members):
        busiest = max(
            _busiest(side, _bytes(places // each % side, side, distance)) * side / level.size
            for side, each in zip(shape, apart, strict=True)
        )
        seconds += share * busiest
    return min(1.0, links / (seconds * level.ports)) if seconds else 1.0


def _places(members: int, stride: int, domain: int) -> Places:
    """Members of every group that fits into the domain."""
    reach = members * stride
    firsts = np.arange(domain - domain % reach).reshape(-1, reach)[:, :stride].reshape(-1, 1)
    return firsts + np.arange(0, reach, stride)


def _rounds(pattern: Pattern, members: int) -> list[tuple[float, int]]:
    """Shares of what a member sends, and the distance of its partner; 0 for all at once."""
    if pattern is Pattern.PAIRS:
        return [(1.0, 0)]
    distances = doubling_distances(members)
    weights = [1.0 if pattern is Pattern.DOUBLING else 1 / distance for distance in distances]
    return [(weight / sum(weights), distance) for weight, distance in zip(weights, distances, strict=True)]


def _bytes(places: Places, side: int, distance: int) -> NDArray[np.float64]:
    """What all groups send from place to place of one axis, per byte that a member sends."""
    groups, members = places.shape
    if distance:
        here = np.flatnonzero(np.arange(members) ^ distance < members)
        codes = places[:, here] * side + places[:, here ^ distance]
        return np.bincount(codes.ravel(), minlength=side * side).reshape(side, side).astype(float)
    rows = np.repeat(np.arange(groups), members) * side + places.ravel()
    held = np.bincount(rows, minlength=groups * side).reshape(groups, side).astype(float)
    sent: NDArray[np.float64] = held.T @ held / (members - 1)
    return sent


def _busiest(side: int, sent: NDArray[np.float64]) -> float:
    """Bytes on the busiest link of an axis, all its lines together; each the shorter way round."""
    up, down = np.zeros(2 * side + 1), np.zeros(2 * side + 1)
    for ahead in range(1, side):
        starts = np.arange(side)
        part = sent[starts, (starts + ahead) % side]
        way = 0.5 if 2 * ahead == side and side > 2 else float(2 * ahead <= side)
        up[:side] += way * part
        up[ahead : ahead + side] -= way * part
        ends = (starts + ahead) % side
        np.add.at(down, ends, (1 - way) * part)
        np.add.at(down, ends + side - ahead, (way - 1) * part)
    return max(_fullest(up, side), _fullest(down, side))


def _fullest(changes: NDArray[np.float64], side: int) -> float:
    """Largest sum of what begins and ends on the links of a ring, which the array goes round twice."""
    carried = np.cumsum(changes)
    return float((carried[:side] + carried[side : 2 * side]).max())
