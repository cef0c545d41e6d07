"""The items of a stage's plan of memory savers, each of which runs as one."""

from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.stage import StageCost


def stage_items(stage: StageCost) -> list[tuple[BlockCost, ...]]:
    """The blocks of each item of a stage's plan, in chain order."""
    found, first = [], 0
    for size in stage.items or (1,) * len(stage.blocks):
        found.append(stage.blocks[first : first + size])
        first += size
    return found


def is_hosted(stage: StageCost) -> bool:
    """Whether anything of a stage lies in host memory."""
    return any(block.saver.hosted or block.offloaded > 0 for block in stage.blocks)
