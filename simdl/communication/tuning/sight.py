"""What a library sees of a group: ranks, nodes, what joins them, and the rates that it takes for granted.

A library plans with rates of its own tables, not with those that a link sustains: its choice is the same on
two machines whose links differ only in what they achieve.
"""

from dataclasses import dataclass
from math import prod

from hardware.cluster import Cluster
from simdl.communication.tuning.constants import Version, number_of

GB = 1e9
PCIE_SHARE = (
    12 / 15.75
)  # what NCCL takes for granted of 16 lanes of PCIe 3 (PCI_BW of its topo.h) over their rate
SUCCESSOR = {"turing": "volta", "ada": "ampere", "maxwell": "pascal", "kepler": "pascal"}
KINDS = (("nvlink", "nvlink"), ("nvswitch", "nvlink"), ("xgmi", "xgmi"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A group as its library sees it.

    Attributes:
        ranks: of the group.
        per_node: ranks of one node.
        nodes: that the group spans.
        generation: of the device, as the tuning tables name it.
        kind: of what joins a node: ``nvlink``, ``xgmi`` or ``pcie``.
        switched: the node has a switch that can reduce.
        full: the group holds all devices of a node.
        inside: [GB/s] that the library takes a rank to have inside the node, one direction.
        card: [GB/s] of one network port.
        cards: network ports of a node that the group uses.
    """

    ranks: int
    per_node: int
    nodes: int
    generation: str
    kind: str
    switched: bool
    full: bool
    inside: float
    card: float
    cards: float


def see(members: tuple[int, ...], cluster: Cluster, version: Version, *, reduces: bool) -> Sight:
    """What a library sees of a group with these members per level, innermost first."""
    level = cluster.levels[0]
    generation = cluster.device.generation
    generation = SUCCESSOR.get(generation, generation)
    kind = next((kind for prefix, kind in KINDS if level.link.name.startswith(prefix)), "pcie")
    assumed = level.link.bandwidth * PCIE_SHARE / GB
    if kind != "pcie":
        assumed = number_of(version, "link_bandwidth", assumed, link=kind, generation=generation)
    reached = 1.0
    if level.topology == "mesh" and 1 < members[0] < level.size:
        reached = (members[0] - 1) / (level.size - 1)
    outer = next((at for m, at in zip(members[1:], cluster.levels[1:], strict=True) if m > 1), None)
    return Sight(
        ranks=prod(members),
        per_node=members[0],
        nodes=prod(members[1:]),
        generation=generation,
        kind=kind,
        switched=reduces,
        full=members[0] == level.size,
        inside=assumed * level.ports * reached,
        card=outer.link.bandwidth / GB if outer else 0.0,
        cards=max(1.0, outer.ports * members[0] / max(1, level.size)) if outer else 0.0,
    )
