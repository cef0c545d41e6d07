"""Collectives: algorithms as alpha-beta-gamma terms, libraries as data, and the time of one on a cluster."""

from simdl.communication.algorithms import ALGORITHMS
from simdl.communication.cost import (
    CollectiveCost,
    applicable_algorithms,
    collective_seconds,
    collective_time,
)
from simdl.communication.crossovers import Step, crossovers, library_steps, lower_bound
from simdl.communication.group import Group, extents
from simdl.communication.library import library_names, usual_library
from simdl.communication.operation import Operation, bus_factor
from simdl.communication.point_to_point import Hop, find_hop, hop_time, point_to_point_time, ring_time

__all__ = [
    "ALGORITHMS",
    "CollectiveCost",
    "Group",
    "Hop",
    "Operation",
    "Step",
    "applicable_algorithms",
    "bus_factor",
    "collective_seconds",
    "collective_time",
    "crossovers",
    "extents",
    "find_hop",
    "hop_time",
    "library_names",
    "library_steps",
    "lower_bound",
    "point_to_point_time",
    "ring_time",
    "usual_library",
]
