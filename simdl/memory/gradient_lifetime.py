"""When gradients are there: for the whole step, from their backward pass to the update, or only at their own.

Programs that reduce gradients over replicas or add up several microbatches hold them all. One device that
takes one microbatch a step has the gradient of a block from its backward pass on, beside the activations of
the blocks before it (``torch.optim.Optimizer.zero_grad`` lets gradients go after a step), and where the
update runs inside the backward pass, only then. A tensor that two blocks share has its gradient from the
later one on.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simdl.kernels.sharding import Shard
from simdl.step.strategy import Strategy
from workloads.network import Network

Floats = NDArray[np.float64]
HELD, MADE, USED = "held", "made", "used"
LIFETIMES = (HELD, MADE, USED)


def comes_late(strategy: Strategy, microbatches: int) -> bool:
    """Whether a gradient need not be there before its own backward pass."""
    return microbatches == strategy.pp == strategy.dp * strategy.cp == strategy.split_degree == 1


def gradient_relief(
    brief: Floats, kept: Floats, gradients: Floats, network: Network, *, tp: int, lifetime: str
) -> Floats:
    """[rows] bytes less than all gradients, all activations and the largest brief need together.

    Args:
        brief: [rows x blocks] bytes that each block of the chain needs briefly.
        kept: [rows x blocks] bytes that it keeps.
        gradients: [rows x blocks] bytes of the gradients of its parameters.
        network: whose blocks they are.
        tp: ranks that divide parameters.
        lifetime: one of ``LIFETIMES``.
    """
    if lifetime == HELD:
        return np.zeros(len(kept))
    later = _behind(kept)
    everything = gradients.sum(axis=1) + kept.sum(axis=1) + np.maximum((brief - later).max(axis=1), 0.0)
    alive = gradients + (_behind(gradients) if lifetime == MADE else 0.0)
    for owner, reader, share in _shared(network, tp):
        alive[:, owner + 1 : reader + 1] += share * gradients[:, owner : owner + 1]
    moments = (kept.sum(axis=1, keepdims=True) - later + brief + alive).max(axis=1)
    update = gradients.sum(axis=1) if lifetime == MADE else np.zeros(len(kept))
    relief: Floats = everything - np.maximum(moments, update)
    return relief


def _behind(amounts: Floats) -> Floats:
    """Sums over the blocks behind each."""
    found: Floats = np.cumsum(amounts[:, ::-1], axis=1)[:, ::-1] - amounts
    return found


@lru_cache(maxsize=256)
def _shared(network: Network, tp: int) -> tuple[tuple[int, int, float], ...]:
    """Places of blocks that own a shared tensor and use it again, and its share of the owner's parameters."""
    return tuple(_shares(network, Shard(tp=tp)))


def _shares(network: Network, shard: Shard) -> Iterator[tuple[int, int, float]]:
    chain = list(network.named_chain())
    places = {name: place for place, (name, _) in enumerate(chain)}
    for reader, (_, block) in enumerate(chain):
        for layer in block.layers:
            name, _, own = layer.tied.partition("/")
            if name in places and places[name] < reader:
                held = {
                    each.name: each.parameters * shard.parameter_share(each.parameter_split)
                    for each in chain[places[name]][1].layers
                    if not each.tied
                }
                yield places[name], reader, held[own] / sum(held.values())
