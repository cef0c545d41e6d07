"""Where a pipeline is cut: as the strategy says, else evenly, else so that no stage has many more flops.

The simulator's own default is the cut of the fastest simulated step, which a trainer does not know
beforehand. To compare the two, name the stages in the strategy.
"""

from simdl.step.cuts.cut_set import even_cut
from simdl.step.cuts.stage_cut import balanced_cut
from simdl.step.strategy import Strategy
from workloads.network import Block, Network
from workloads.operators import Pass


def stage_sizes(network: Network, strategy: Strategy) -> tuple[int, ...]:
    """Blocks per virtual stage, in chain order."""
    count = strategy.pp * strategy.virtual_stages
    flops = [_flops(block) for block in network.chain()]
    return strategy.stages or even_cut(network, count) or balanced_cut(flops, count)


def boundary_shapes(network: Network, cut: tuple[int, ...], samples: int) -> tuple[tuple[int, ...], ...]:
    """Shape of what every stage but the last hands on for so many samples."""
    chain = list(network.chain())
    ends = [sum(cut[: index + 1]) for index in range(len(cut) - 1)]
    return tuple((samples, *chain[end - 1].layers[-1].output_shape) for end in ends)


def _flops(block: Block) -> float:
    return float(sum(layer.flops(which) for layer in block.layers for which in Pass))
