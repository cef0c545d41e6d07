"""What a virtual stage holds, in words: blocks of the network in chain order."""

from itertools import groupby

from simdl.step.costs.stage import stage_blocks
from simdl.step.costs.step_cost import StepCost


def stage_layers(step: StepCost) -> tuple[str, ...]:
    """Names of the blocks of every virtual stage, such as ``"embedding, decoder x12"``."""
    network = step.workload.network
    cut = [len(stage.blocks) for stage in step.stages[: step.chain]]
    return step.pipeline.copies * tuple(
        ", ".join(_counted(network.blocks[index].name, sum(1 for _ in run)) for index, run in groupby(blocks))
        for blocks in stage_blocks(network, cut)
    )


def _counted(name: str, count: int) -> str:
    return f"{name} x{count}" if count > 1 else name
