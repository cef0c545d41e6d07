"""One network for every make-up: the smallest of those of one family with the same kinds of layers."""

from functools import cache

from workloads.registry import load_network, network_names

FAMILIES = (
    "convnext",
    "densenet",
    "efficientnet",
    "mask-rcnn",
    "mixer",
    "mnasnet",
    "mobilenet",
    "regnet",
    "resnet",
    "resnext",
    "retinanet",
    "se-res",
    "shufflenet",
    "squeezenet",
    "swin",
    "vgg",
    "vit",
    "wide-resnet",
)
"""Starts of names that stand for many sizes of one network."""


@cache
def representative_networks():
    """Registered names, of many sizes of one network the smallest alone."""
    smallest = {}
    for name in network_names():
        network = load_network(name)
        family = next((start for start in FAMILIES if name.startswith(start)), name)
        kinds = frozenset(layer.kind for block in network.blocks for layer in block.layers)
        key = family, kinds, network.sample
        if key not in smallest or network.parameters < smallest[key].parameters:
            smallest[key] = network
    return tuple(sorted(network.name for network in smallest.values()))
