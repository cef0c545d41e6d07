"""Kinds of node in a mixed cluster: on which of them the ranks of a pipeline stand.

Ranks are numbered through the parts of the cluster one after another, and a pipeline rank is a row of
neighbouring ranks. Devices at the same place of every pipeline rank run the same microbatches one after
another: they are a pipeline of their own, whose stages each take what they take on their own kind of node.
"""

from dataclasses import replace
from functools import lru_cache

from hardware.cluster import Cluster

Kinds = frozenset[int]
"""Parts of a cluster."""


def uniform_clusters(cluster: Cluster) -> tuple[Cluster, ...]:
    """Per part of a mixed cluster, one of as many nodes that are all of its kind."""
    nodes = sum(part.count for part in cluster.parts)
    return tuple(replace(part, count=nodes) for part in cluster.parts)


def part_of_rank(cluster: Cluster) -> list[int]:
    """Per rank the part of the cluster that it stands on."""
    return [number for number, part in enumerate(cluster.parts) for _ in range(part.devices)]


@lru_cache(maxsize=1024)
def pipelines(cluster: Cluster, ranks: int) -> tuple[tuple[int, ...], ...]:
    """The distinct pipelines of so many ranks: of each, per pipeline rank the part that its device is of."""
    parts = part_of_rank(cluster)
    width = len(parts) // ranks
    return tuple(dict.fromkeys(tuple(parts[place::width]) for place in range(width)))


def held_by(cluster: Cluster, ranks: int) -> tuple[Kinds, ...]:
    """Per pipeline rank the parts that its devices are of."""
    return tuple(frozenset(each) for each in zip(*pipelines(cluster, ranks), strict=True))
