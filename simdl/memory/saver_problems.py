"""Why a plan of memory savers cannot be carried out for a network."""

from collections.abc import Iterator

from simdl.errors import SimdlError
from simdl.memory.savers import Row, Saver, Segment, block_savers, item_length, savers_row
from workloads.network import Network


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
    if any(saver.hosted for saver in block_savers(row)) or any(
        isinstance(item, Segment) and item.offload for item in row
    ):
        yield "savers: found offload, optimizer or parameters; expected keep, selective, full and segments"
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


def _by_block(row: Row) -> Iterator[Saver | Segment]:
    """The outermost item that each block belongs to."""
    for item in row:
        for _ in range(item_length(item)):
            yield item
