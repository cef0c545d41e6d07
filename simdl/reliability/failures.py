"""Failures: how often devices and nodes fail, what a checkpoint and a restart take.

Defaults are those of one published training. Dubey et al. 2024, The Llama 3 Herd of Models, arXiv:2407.21783,
section 3.3.4 and table 5: 419 unexpected interruptions in 54 days on 16,384 H100 in nodes of 8, of which
58.7 % were issues of GPUs; section 3.3.1: storage that sustains 2 TB/s for a cluster of 3,000 such nodes (24
thousand GPUs).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite

from hardware.cluster import Cluster

DAY = 86400.0
DEVICE_MTBF = 16384 * 54 * DAY / (0.587 * 419)
"""[s] between failures of one device; about 9.8 years."""
NODE_MTBF = 16384 / 8 * 54 * DAY / (0.413 * 419)
"""[s] between failures of one node that are not those of its devices; about 640 days."""
STORAGE_PER_NODE = 2e12 / 3000
"""[bytes/s] of storage for one node."""
RESTART = 600.0
"""[s] to notice a failure, drain, schedule and start again; assumed."""
REPAIR = 24 * 3600.0
"""[s] until a failed node is back; assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What a long training meets.

    Attributes:
        device_mtbf: [s] mean time between failures of one device; infinite if none fails.
        node_mtbf: [s] of one node, failures of its devices aside.
        checkpoint: [s] to write one checkpoint, during which nothing is trained.
        restart: [s] from a failure to the next step, reading the checkpoint included, with a node at hand.
        spares: nodes that stand by; None for always enough.
        repair: [s] until a failed node is a spare.
    """

    device_mtbf: float = DEVICE_MTBF
    node_mtbf: float = NODE_MTBF
    checkpoint: float
    restart: float = RESTART
    spares: int | None = None
    repair: float = REPAIR

    def mtbf(self, cluster: Cluster) -> float:
        """[s] between failures of anything in a cluster."""
        nodes = sum(part.count for part in cluster.parts)
        rate = cluster.devices / self.device_mtbf + nodes / self.node_mtbf
        return 1.0 / rate if rate else inf


def failure_problems(failures: Failures) -> Iterator[str]:
    """Numbers that cannot be, one sentence each."""
    for name in ("device_mtbf", "node_mtbf"):
        if not getattr(failures, name) > 0:
            yield f"{name}: found {getattr(failures, name)}; expected above 0"
    for name in ("checkpoint", "restart", "repair"):
        value = getattr(failures, name)
        if not (value >= 0 and isfinite(value)):
            yield f"{name}: found {value}; expected finite seconds, at least 0"
    if failures.spares is not None and failures.spares < 0:
        yield f"spares: found {failures.spares}; expected at least 0"
