"""Blocks as a plan of memory savers runs them: costs of a stage from those of its blocks in each mode.

What a block or a segment keeps is counted until the end of the backward pass, and what comes back when it
runs backward is ``transient``, as for blocks that are recomputed one by one: ``[keep]`` costs what ``full``
costs. A segment holds then what its own plan keeps, less the input that was there already. What lies in host
memory comes back layer by layer, so what a block needs beside it is counted by the lifetimes of its layers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from simdl.kernels.pricing import Work
from simdl.memory.moments import brief_need
from simdl.memory.savers import Row, Saver, Segment, block_savers, clipped, savers_row
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.stage import StageCost, stage_cost
from simdl.step.strategy import Recompute, Strategy
from workloads.network import Block, Network

RECOMPUTE = {"keep": Recompute.NONE, "selective": Recompute.SELECTIVE, "full": Recompute.FULL}
"""Recomputation by the word of a plan."""
Chain = Sequence[BlockCost]


def saves(strategy: Strategy) -> bool:
    """Whether blocks are treated unlike one another, or anything lies in host memory."""
    return bool(strategy.savers or strategy.recompute_layers)


def modes_of(strategy: Strategy, network: Network) -> tuple[Recompute, ...]:
    """Ways of recomputation whose costs the stages of a strategy are made of."""
    if not strategy.savers:
        return (Recompute.NONE, strategy.recompute)
    row = savers_row(strategy.savers, network.depth)
    used = dict.fromkeys(RECOMPUTE[saver.mode] for saver in block_savers(row))
    segments = [Recompute.FULL] if any(isinstance(item, Segment) for item in row) else []
    return tuple(dict.fromkeys((Recompute.NONE, *used, *segments)))


def stage_rows(strategy: Strategy, network: Network, cut: Sequence[int]) -> Iterator[Row]:
    """The plan of each virtual stage."""
    blocks = list(network.chain())
    row = savers_row(strategy.savers, network.depth) if strategy.savers else ()
    first = 0
    for size in cut:
        own = blocks[first : first + size]
        yield clipped(row, first, first + size) if row else _first_layers(strategy, own)
        first += size


def _first_layers(strategy: Strategy, blocks: Sequence[Block]) -> Row:
    """The plan of a stage whose first so many layers are recomputed."""
    mode = next(word for word, recompute in RECOMPUTE.items() if recompute is strategy.recompute)
    left, found = strategy.recompute_layers, list[Saver]()
    for block in blocks:
        redone = left > 0 and block.recomputable
        found.append(Saver(mode if redone else "keep"))
        left -= redone
    return tuple(found)


def saved_stage(row: Row, costs: Mapping[Recompute, Chain], first: int) -> StageCost:
    """Costs of a stage.

    Args:
        row: its plan.
        costs: of all blocks of the network in chain order, by mode.
        first: place of its first block.
    """
    items = []
    place = first
    for item in row:
        items.append(item_blocks(item, costs, place))
        place += len(items[-1])
    stage = stage_cost(tuple(block for blocks in items for block in blocks))
    sizes = tuple(len(blocks) for blocks in items)
    needs = list(item_needs(items))
    kept = [sum(block.saved for block in blocks) for blocks in items]
    brief = brief_need(zip(needs, kept, strict=True))
    return replace(stage, transient=max(needs), brief=brief, items=sizes)


def item_needs(items: Sequence[Sequence[BlockCost]]) -> Iterator[float]:
    """[bytes] that each item needs briefly: its own, and what lies in host memory and comes back for it.

    While an item runs backward, the nearest two at it or before it that lie in host memory may be on the
    device, one in use and one on its way.
    """
    near = [0.0, 0.0]
    for blocks in items:
        offloaded = sum(block.offloaded for block in blocks)
        if offloaded:
            near = [near[1], offloaded]
        yield max(block.transient for block in blocks) + sum(near)


def item_blocks(item: Saver | Segment, costs: Mapping[Recompute, Chain], place: int) -> list[BlockCost]:
    """The blocks of one item of a plan; the first of a segment has what the segment keeps and needs."""
    if isinstance(item, Saver):
        return [_block(item, costs, place)]
    inner = _inner(item, costs, place)
    kept = costs[Recompute.FULL][place].saved
    held = sum(block.saved for block in inner) + max(block.transient for block in inner)
    inner = [replace(block, saved=0.0, transient=0.0) for block in inner]
    inner[0] = replace(
        inner[0],
        saved=0.0 if item.offload else kept,
        transient=held - kept,
        offloaded=kept if item.offload else 0.0,
    )
    return inner


def _inner(item: Segment, costs: Mapping[Recompute, Chain], place: int) -> list[BlockCost]:
    """The blocks of a segment when its forward pass runs again."""
    found: list[BlockCost] = []
    for count, each in item.items:
        for _ in range(count):
            found += item_blocks(each, costs, place + len(found))
    return [_once_more(block, costs[Recompute.FULL][place + index]) for index, block in enumerate(found)]


def _once_more(block: BlockCost, full: BlockCost) -> BlockCost:
    return replace(
        block,
        recompute=block.recompute + full.recompute,
        recomputed_flops=block.recomputed_flops + full.recomputed_flops,
        again=block.again + 1,
    )


def _block(saver: Saver, costs: Mapping[Recompute, Chain], place: int) -> BlockCost:
    """A block by itself."""
    cost = costs[RECOMPUTE[saver.mode]][place]
    redone = RECOMPUTE[saver.mode] if cost.recompute != Work() else Recompute.NONE
    if not saver.offload:
        return replace(cost, saver=saver, redone=redone)
    transient = cost.brief if saver.mode == "keep" else cost.transient
    return replace(cost, saver=saver, redone=redone, saved=0.0, transient=transient, offloaded=cost.saved)
