"""Per-layer splits of networks with groups, gates, tokens and volumes: every layer has a split, and costs."""

import pytest
from representatives import representative_networks

from simdl.splits.arrangement import Arrangement, resolve
from simdl.splits.graph import build_layer_graph
from simdl.splits.registry import enumerate_choices
from workloads.operators import ConvolutionShape
from workloads.registry import load_network

RANKS, SAMPLES = 4, 8
STARTS = (
    "convnext",
    "cosmoflow",
    "mask-rcnn",
    "mobilenet",
    "nnunet-3d",
    "regnet",
    "shufflenet",
    "swin",
    "vit",
)
NAMES = [name for name in representative_networks() if name.startswith(STARTS)]


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_can_be_split_by_sample(name):
    found = resolve(load_network(name), Arrangement(ranks=RANKS, samples=SAMPLES, splits=()))
    assert found.problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_depthwise_convolutions_are_divided_in_space_and_by_channel(name):
    for node in build_layer_graph(load_network(name), SAMPLES).nodes:
        site = node.sites[0]
        shape = site.layer.forward[0].shape if site.layer.forward else None
        splits = {choice.split for choice, _ in enumerate_choices(site, RANKS, (1, 2))}
        assert {"sample", "replicated"} <= splits
        if isinstance(shape, ConvolutionShape) and shape.groups == shape.in_channels > 1:
            assert {"spatial", "channel"} <= splits
            assert "filter" not in splits
