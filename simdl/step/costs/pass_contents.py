"""What one phase of a block runs on a rank, whether all layers are divided alike or each in its own way.

Reports read kernels and messages here; costs add the same lists up.
"""

from collections.abc import Iterator

from simdl.kernels.block_kernels import (
    NamedKernel,
    forward_kernels,
    input_gradient_kernels,
    recomputed_kernels,
    tensor_collectives,
    weight_gradient_kernels,
)
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard, named_kernels, pass_layers
from simdl.memory.activations import recomputed_layers
from simdl.splits.arrangement import Arrangement
from simdl.splits.block_costs import (
    Use,
    split_accumulation,
    split_kernels,
    split_messages,
)
from simdl.step.strategy import Recompute
from workloads.network import Block
from workloads.operators import Pass

Division = Shard | Arrangement
"""How the ranks of a replica divide a microbatch."""
GRADIENTS = {
    "backward": (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT),
    "input gradient": (Pass.INPUT_GRADIENT,),
    "weight gradient": (Pass.WEIGHT_GRADIENT,),
}
RUNS = {Pass.INPUT_GRADIENT: input_gradient_kernels, Pass.WEIGHT_GRADIENT: weight_gradient_kernels}


def pass_kernels(pricing: Pricing, division: Division, block: Block, which: Pass) -> list[NamedKernel]:
    """Kernels of one pass over a block in launch order, without the adding up of several microbatches."""
    if isinstance(division, Arrangement):
        return split_kernels(pricing, division, block, which)
    return named_kernels(
        pass_layers(block, which), which, shard=division, precision=pricing.precision, stack=pricing.stack
    )


def phase_kernels(
    pricing: Pricing, division: Division, block: Block, recompute: Recompute, phase: str
) -> list[NamedKernel]:
    """Kernels of a block in one phase in launch order.

    ``phase`` is ``"forward"``, ``"recompute"``, ``"backward"``, or one of the two gradients that this is.
    """
    mode = recompute if block.recomputable else Recompute.NONE
    if isinstance(division, Arrangement):
        if phase == "recompute" and mode is Recompute.NONE:
            return []
        passes = GRADIENTS.get(phase, (Pass.FORWARD,))
        kernels = [kernel for which in passes for kernel in split_kernels(pricing, division, block, which)]
        completes = Pass.WEIGHT_GRADIENT in passes
        return [*kernels, *(split_accumulation(pricing, division, block) if completes else [])]
    if phase == "forward":
        return forward_kernels(pricing, division, block)
    if phase in GRADIENTS:
        runs = [RUNS[which] for which in GRADIENTS[phase]]
        return [kernel for run in runs for kernel in run(pricing, division, block)]
    return recomputed_kernels(pricing, division, recomputed_layers(block, mode, pricing.stack))


def phase_messages(pricing: Pricing, division: Division, block: Block, phase: str) -> Iterator[Use]:
    """Messages within a phase that split layers or products; recomputation sends what a forward pass does."""
    if isinstance(division, Arrangement):
        for which in GRADIENTS.get(phase, (Pass.FORWARD,)):
            yield from split_messages(pricing, division, block, which)
        return
    for layer, operation, nbytes, seconds in tensor_collectives(
        pricing, division, block, backward=Pass.INPUT_GRADIENT in GRADIENTS.get(phase, ())
    ):
        yield layer, operation.value, nbytes, seconds
