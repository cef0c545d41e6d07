"""What one phase of a block runs on a rank, whether all layers are divided alike or each in its own way.

Reports read kernels and messages here; costs add the same lists up.
"""

from collections.abc import Iterator

from simdl.activations import recomputed_layers
from simdl.block_kernels import (
    NamedKernel,
    backward_kernels,
    forward_kernels,
    recomputed_kernels,
    tensor_collectives,
)
from simdl.layer_splits.arrangement import Arrangement
from simdl.layer_splits.block_costs import (
    Use,
    split_accumulation,
    split_kernels,
    split_messages,
)
from simdl.pricing import Pricing
from simdl.sharding import Shard, named_kernels, pass_layers
from simdl.strategy import Recompute
from workloads.network import Block
from workloads.operators import Pass

Division = Shard | Arrangement
"""How the ranks of a replica divide a microbatch."""
GRADIENTS = (Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)


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
    """Kernels of a block in one phase, ``"forward"``, ``"backward"`` or ``"recompute"``, in launch order."""
    mode = recompute if block.recomputable else Recompute.NONE
    if isinstance(division, Arrangement):
        if phase == "recompute" and mode is Recompute.NONE:
            return []
        passes = GRADIENTS if phase == "backward" else (Pass.FORWARD,)
        kernels = [kernel for which in passes for kernel in split_kernels(pricing, division, block, which)]
        added = split_accumulation(pricing, division, block) if phase == "backward" else []
        return [*kernels, *added]
    if phase == "forward":
        return forward_kernels(pricing, division, block)
    if phase == "backward":
        return backward_kernels(pricing, division, block)
    return recomputed_kernels(pricing, division, recomputed_layers(block, mode, pricing.stack))


def phase_messages(pricing: Pricing, division: Division, block: Block, phase: str) -> Iterator[Use]:
    """Messages within a phase that split layers or products; recomputation sends what a forward pass does."""
    if isinstance(division, Arrangement):
        for which in GRADIENTS if phase == "backward" else (Pass.FORWARD,):
            yield from split_messages(pricing, division, block, which)
        return
    for layer, operation, nbytes, seconds in tensor_collectives(
        pricing, division, block, backward=phase == "backward"
    ):
        yield layer, operation.value, nbytes, seconds
