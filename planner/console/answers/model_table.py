"""What `simdl models` says: registered networks, and the totals and layers of one of them.

``activation_bytes`` is the size of a layer's output per sample; ``macs`` are multiply-adds of the forward
products.
"""

from collections.abc import Iterator
from typing import Any

from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import PRODUCTS, Pass
from workloads.registry import load_network, network_names
from workloads.storage import storage_bytes


def registered_models() -> list[dict[str, Any]]:
    """One record per registered network: name, sample, parameters, forward flops per sample, source."""
    return [
        {
            "name": network.name,
            "sample": network.sample,
            "tokens": network.tokens,
            "parameters": network.parameters,
            "forward_flops": network.flops(Pass.FORWARD),
            "source": network.source,
        }
        for network in map(load_network, network_names())
    ]


def describe_model(network: Network, precision: Precision) -> dict[str, Any]:
    """Totals of a network per sample, with every layer of its expanded chain."""
    return {
        "name": network.name,
        "source": network.source,
        "sample": network.sample,
        "tokens": network.tokens,
        "precision": precision.name,
        "parameters": network.parameters,
        "active_parameters": network.active_parameters,
        "macs": forward_macs(network),
        "forward_flops": network.flops(Pass.FORWARD),
        "stored_bytes": storage_bytes(network, precision),
        "notes": [*network.notes, *([network.obstacle] if network.obstacle else [])],
        "layers": [_layer(name, layer, precision) for name, layer in network.layers()],
    }


def distinct_layers(network: Network, precision: Precision) -> Iterator[tuple[dict[str, Any], int]]:
    """Every layer that is stored once, with how often it stands in the chain."""
    for block in network.blocks:
        for layer in block.layers:
            yield _layer(f"{block.name}/{layer.name}", layer, precision), block.count


def forward_macs(network: Network) -> int:
    """Multiply-adds of the forward products of one sample."""
    flops = sum(
        operator.flops
        for _, layer in network.layers()
        for operator in layer.forward
        if operator.kind in PRODUCTS
    )
    return flops // 2


def _layer(name: str, layer: Layer, precision: Precision) -> dict[str, Any]:
    return {
        "name": name,
        "kind": layer.kind,
        "parameters": 0 if layer.tied else layer.parameters,
        "forward_flops": layer.flops(Pass.FORWARD),
        "activation_bytes": layer.output_elements * precision.activation,
    }
