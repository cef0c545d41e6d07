"""All-reduce in the switch inside a node, double binary trees between nodes (NVLS and NVLSTree of NCCL).

Every rank asks the switch for its share n/m of the sum: the switch pulls n/m from each rank for each share,
so a rank sends n, then n/m more when it hands its result back for multicast: (1 + 1/m) n beta (Klenk et al.
2020, section 4; NVLink SHARP). The switch does the arithmetic, so there is no gamma inside the node.
"""

from collections.abc import Sequence

from simdl.communication.terms import Terms
from simdl.communication.tree import double_trees_beyond


def estimate_all_reduce(p: int, *, n: float, alpha: float, beta: float) -> float:
    """In-switch all-reduce of n bytes among p ranks of one switch [s]."""
    return 2 * alpha + (1 + 1 / p) * n * beta


def estimate_segmented_all_reduce(p: int, *, n: float, alpha: float, beta: float, segments: int) -> float:
    """The same in segments, each sent up while the one before is multicast [s].

    With k segments (k+1) alpha + (2 + (k-1)(1 + 1/p)) n/k beta, which nears the formula above as they shrink.
    """
    return (segments + 1) * alpha + (2 + (segments - 1) * (1 + 1 / p)) * n / segments * beta


def all_reduce(members: Sequence[int]) -> tuple[Terms, ...]:
    """Terms per level; the innermost level is the one whose switch reduces."""
    return (Terms(steps=2, sent=1 + 1 / members[0]), *double_trees_beyond(members))
