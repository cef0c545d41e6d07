"""Wiring of one level: which links join its members, where a bare number of ports does not say it.

A level without wiring joins its members alike: every port leads to a switch that blocks nothing, to a full
mesh or to a torus as nearly cubic as its size allows. With wiring, routes and the bandwidth of a group follow
from the links themselves (:mod:`simdl.topology`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from hardware.link import Link

LevelTopology = Literal["switch", "mesh", "torus", "bus", "direct", "tree", "fat_tree", "rail", "dragonfly"]

Pair = tuple[int, int]  # two members of a domain, the lower one first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Direct:
    """Links between pairs of members, such as the hybrid cube mesh of DGX-1.

    Attributes:
        pairs: links by pair of members; a pair without an entry has none.
    """

    pairs: Mapping[Pair, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Switches of one tier of a tree.

    Attributes:
        size: members of the tier below (of the level, for the lowest) at one switch.
        ports: links from one switch to the next tier up.
    """

    size: int
    ports: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """Switches over switches: PCIe below a root, or a fat tree; the root itself blocks nothing.

    Attributes:
        tiers: lowest first, without the root that joins all switches of the last one.
        bridges: links between pairs of members beside the tree.
        bridge: what these links are; None without any.
    """

    tiers: tuple[Tier, ...]
    bridges: Mapping[Pair, float] = field(default_factory=dict)
    bridge: Link | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Torus:
    """Members on a grid whose axes close to rings, numbered along the last axis first.

    Attributes:
        shape: members along each axis.
    """

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """One switch for the n-th port of every node of a pod, and a spine that joins the switches.

    Attributes:
        size: nodes of a pod.
        oversubscription: ports down to nodes over ports up to the spine.
    """

    size: int
    oversubscription: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dragonfly:
    """Groups of routers: all routers of a group are joined, and every two groups (Kim et al. 2008).

    Attributes:
        nodes: per router.
        routers: per group.
        taper: bandwidth of the global links of a group over that of its nodes.
    """

    nodes: int
    routers: int
    taper: float

    @property
    def size(self) -> int:
        """Nodes of a group."""
        return self.nodes * self.routers


Wiring = Direct | Tree | Torus | Rails | Dragonfly


def cut_wiring(wiring: Wiring | None, size: int) -> Wiring | None:
    """The wiring of the first ``size`` members alone, as where a run uses part of a node.

    A torus that no longer has its shape is as nearly cubic as its size allows.
    """
    if isinstance(wiring, Direct):
        return Direct(pairs=_among(wiring.pairs, size))
    if isinstance(wiring, Tree):
        bridges = _among(wiring.bridges, size)
        return Tree(tiers=wiring.tiers, bridges=bridges, bridge=wiring.bridge if bridges else None)
    if isinstance(wiring, Torus) and prod(wiring.shape) != size:
        return None
    return wiring


def _among(pairs: Mapping[Pair, float], size: int) -> dict[Pair, float]:
    return {pair: count for pair, count in pairs.items() if pair[1] < size}
