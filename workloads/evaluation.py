"""Networks as they run forward only, outside training: fewer operators in some layers.

Batch normalisation takes its mean and deviation from training and computes no sums; dropout copies nothing;
no loss is taken.
"""

from dataclasses import replace
from functools import lru_cache

from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import Operator, OperatorKind


@lru_cache(maxsize=256)
def evaluation(network: Network) -> Network:
    """A network whose forward pass is that of inference; its backward passes mean nothing."""
    return replace(
        network,
        blocks=tuple(
            replace(block, layers=tuple(_evaluated(layer) for layer in block.layers))
            for block in network.blocks
        ),
    )


def _evaluated(layer: Layer) -> Layer:
    return replace(layer, forward=tuple(op for op in layer.forward if not _of_training(layer, op)))


def _of_training(layer: Layer, operator: Operator) -> bool:
    if layer.attributes.get("over") == "batch":
        return operator.kind is OperatorKind.REDUCTION
    return layer.kind in ("dropout", "loss")
