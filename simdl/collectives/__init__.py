"""Collectives: algorithms as alpha-beta-gamma terms, libraries as data, and the time of one on a cluster."""

from simdl.collectives.algorithms import ALGORITHMS
from simdl.collectives.cost import CollectiveCost, applicable_algorithms, collective_seconds, collective_time
from simdl.collectives.group import Group, extents
from simdl.collectives.library import library_names
from simdl.collectives.operation import Operation, bus_factor
from simdl.collectives.point_to_point import Hop, find_hop, hop_time, point_to_point_time, ring_time

__all__ = [
    "ALGORITHMS",
    "CollectiveCost",
    "Group",
    "Hop",
    "Operation",
    "applicable_algorithms",
    "bus_factor",
    "collective_seconds",
    "collective_time",
    "extents",
    "find_hop",
    "hop_time",
    "library_names",
    "point_to_point_time",
    "ring_time",
]
