"""One network for every make-up: the smallest with a name that starts alike and layers of the same kinds."""

import re
from functools import cache

from workloads.registry import load_network, network_names


@cache
def representative_networks():
    """Registered names, of many sizes of one network the smallest alone.

    Layers are of the same kinds if what their attributes say in words (a function, a layout, with a gate or
    without) is the same; sizes do not count.
    """
    smallest = {}
    for name in network_names():
        network = load_network(name)
        key = re.match("[a-z]+", name)[0], _kinds(network)
        if key not in smallest or network.parameters < smallest[key].parameters:
            smallest[key] = network
    return tuple(sorted(network.name for network in smallest.values()))


def _kinds(network):
    layers = [layer for block in network.blocks for layer in block.layers]
    return frozenset((layer.kind, *_words(layer)) for layer in layers)


def _words(layer):
    return sorted((key, value) for key, value in layer.attributes.items() if isinstance(value, str | bool))
