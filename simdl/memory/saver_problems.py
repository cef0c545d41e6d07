"""Why a plan of memory savers cannot be carried out for a network."""

from collections.abc import Iterator

from hardware.cluster import Cluster, find_host
from hardware.errors import HardwareError
from simdl.errors import SimdlError
from simdl.memory.savers import Row, Saver, Segment, block_savers, item_length, savers_row
from simdl.pipelines.outline import outline
from simdl.pipelines.passes import PassKind
from workloads.network import Network
from workloads.optimizers import Optimizer


def saver_problems(
    recompute: str, layers: int, savers: str, *, network: Network, splits: bool
) -> Iterator[str]:
    """Reasons why memory cannot be saved as asked, one sentence each.

    Args:
        recompute: mode of a strategy, for all blocks.
        layers: of each virtual stage that it applies to; 0 for all.
        savers: plan block by block; empty for none.
        network: whose blocks they are.
        splits: whether layers are split one by one.
    """
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
    if splits and any(saver.mode == "selective" for saver in block_savers(row)):
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


def host_problems(
    savers: str,
    *,
    network: Network,
    cluster: Cluster,
    optimizer: Optimizer,
    schedule: str,
    compression: str,
    sizes: tuple[int, int],
) -> Iterator[str]:
    """Reasons why nothing can lie in host memory, one sentence each.

    Args:
        savers: plan block by block, of as many as the network has.
        network: whose blocks they are.
        cluster: whose hosts are meant.
        optimizer: the rule of the update.
        schedule: pipeline order.
        compression: of gradients; empty for none.
        sizes: pipeline ranks and virtual stages of each.
    """
    row = savers_row(savers, network.depth)
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
