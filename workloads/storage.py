"""What a network takes in a file: its weights as they are stored, layer by layer."""

from collections.abc import Iterator
from dataclasses import dataclass

from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import Pass
from workloads.weight_format import WeightFormat, index_width, stored_bits

DENSE = WeightFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStorage:
    """The parameters of one layer as they are stored.

    Attributes:
        name: ``block/layer``.
        kind: of the layer.
        count: how often it stands in the network.
        parameters: trainable elements, zeros among them.
        sparsity: share of its weights that is zero and left out.
        weight_bits: [bit] of a stored weight, its place aside.
        index_bits: [bit] of its place.
        dense: [bytes] of all parameters in the precision.
        stored: [bytes] as stored, without codes of variable length.
        coded: [bytes] with them; as stored where there are none.
        forward_flops: per sample.
    """

    name: str
    kind: str
    count: int
    parameters: int
    sparsity: float
    weight_bits: int
    index_bits: int
    dense: float
    stored: float
    coded: float
    forward_flops: int


def network_storage(network: Network, precision: Precision) -> Iterator[LayerStorage]:
    """Every distinct layer that has parameters or computes.

    Args:
        network: whose layers.
        precision: of parameters that no transform has narrowed.
    """
    for block in network.blocks:
        for layer in block.layers:
            if layer.parameters or layer.forward:
                yield _layer_storage(f"{block.name}/{layer.name}", layer, block.count, precision)


def storage_bytes(network: Network, precision: Precision, *, coded: bool = True) -> float:
    """[bytes] of all parameters as they are stored.

    Args:
        network: whose parameters.
        precision: of those that no transform has narrowed.
        coded: with codes of variable length, where there are any.
    """
    layers = network_storage(network, precision)
    return sum((each.coded if coded else each.stored) * each.count for each in layers)


def _layer_storage(name: str, layer: Layer, count: int, precision: Precision) -> LayerStorage:
    form, full = layer.weight_format or DENSE, 8 * precision.parameter
    parameters = 0 if layer.tied else layer.parameters
    weights = layer.stored_weights
    rest = (parameters - weights) * precision.parameter
    return LayerStorage(
        name=name,
        kind=layer.kind,
        count=count,
        parameters=parameters,
        sparsity=form.sparsity,
        weight_bits=form.bits or full,
        index_bits=index_width(form, full),
        dense=float(parameters * precision.parameter),
        stored=stored_bits(form, weights, full, coded=False) / 8 + rest,
        coded=stored_bits(form, weights, full) / 8 + rest,
        forward_flops=layer.flops(Pass.FORWARD),
    )
