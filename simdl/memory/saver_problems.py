"""Why a plan of memory savers cannot be carried out for a network."""

from collections.abc import Iterator
from typing import Protocol

from hardware.cluster import Cluster, find_host
from hardware.errors import HardwareError
from simdl.errors import SimdlError
from simdl.memory.savers import Row, Saver, Segment, block_savers, item_length, savers_row
from simdl.pipelines.outline import outline
from simdl.pipelines.passes import PassKind
from workloads.network import Network
from workloads.workload import Workload


class Asked(Protocol):
    """What of a strategy decides whether memory can be saved as it asks."""

    @property
    def recompute(self) -> str:
        """Mode for all blocks."""

    @property
    def recompute_layers(self) -> int:
        """Blocks of each virtual stage that it applies to; 0 for all."""

    @property
    def savers(self) -> str:
        """Plan block by block; empty for none."""

    @property
    def split_degree(self) -> int:
        """Ranks between which layers are split one by one."""

    @property
    def schedule(self) -> str:
        """Pipeline order."""

    @property
    def pp(self) -> int:
        """Pipeline ranks."""

    @property
    def virtual_stages(self) -> int:
        """Of each of them."""

    @property
    def compression(self) -> str:
        """Of gradients; empty for none."""


def saver_problems(asked: Asked, workload: Workload, cluster: Cluster) -> Iterator[str]:
    """Reasons why memory cannot be saved as asked, one sentence each."""
    found = [*_plan_problems(asked, workload.network)]
    yield from found
    if asked.savers and not found:
        yield from _host_problems(asked, workload, cluster)


def _plan_problems(asked: Asked, network: Network) -> Iterator[str]:
    recompute, layers, savers = asked.recompute, asked.recompute_layers, asked.savers
    if layers and recompute == "none":
        yield (f"recompute_layers: found {layers} with recompute none; expected 0, or selective or full")
    if not savers:
        return
    if recompute != "none":
        yield f"savers with recompute {recompute}: both say what is recomputed; expected one"
    try:
        row = savers_row(savers, network.depth)
    except SimdlError as error:
        yield str(error)
        return
    if asked.split_degree > 1 and any(saver.mode == "selective" for saver in block_savers(row)):
        yield "savers: found selective with per-layer splits; expected keep or full"
    kept = [
        name
        for item, (name, block) in zip(_by_block(row), network.named_chain(), strict=True)
        if not block.recomputable and (isinstance(item, Segment) or item.mode == "full")
    ]
    if kept:
        yield (
            f"savers: found full or a segment for {', '.join(kept)}, which frameworks never recompute; "
            "expected keep or offload"
        )


def _host_problems(asked: Asked, workload: Workload, cluster: Cluster) -> Iterator[str]:
    """Reasons why nothing can lie in host memory, one sentence each."""
    optimizer, schedule, compression = workload.optimizer, asked.schedule, asked.compression
    sizes = asked.pp, asked.virtual_stages
    row = savers_row(asked.savers, workload.network.depth)
    blocks = block_savers(row)
    offloaded = any(item.offload for item in row)
    if not (offloaded or any(saver.hosted for saver in blocks)):
        return
    if cluster.more:
        yield f"savers: found host memory on {cluster.name}, a mixed cluster; expected one node type"
    try:
        find_host(cluster)
    except HardwareError as error:
        yield str(error)
    found = outline(schedule, *sizes)
    if (
        found.overlaps
        or not found.pipeline.flushes
        or {*found.kinds} != {PassKind.FORWARD, PassKind.BACKWARD}
    ):
        yield (
            f"savers: found host memory with schedule {schedule}; expected one of whole forward and backward "
            "passes, such as 1f1b"
        )
    if any(saver.parameters and not saver.optimizer for saver in blocks):
        yield (
            "savers: found parameters without optimizer; expected both, since what updates parameters holds "
            "them"
        )
    if not any(saver.optimizer for saver in blocks):
        return
    if optimizer.exchanges or optimizer.orthogonal_steps or optimizer.paged:
        yield (
            f"savers: found optimizer in host memory with {optimizer.name}; expected a rule that updates "
            "element by element, such as adam"
        )
    if compression:
        yield f"savers: found optimizer in host memory with compression {compression}; expected none"


def _by_block(row: Row) -> Iterator[Saver | Segment]:
    """The outermost item that each block belongs to."""
    for item in row:
        for _ in range(item_length(item)):
            yield item
