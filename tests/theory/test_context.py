"""What a rank holds beside its tensors: context and buffers of communicators, counted by hand."""

from dataclasses import replace

import pytest
from builders import build_workload

from hardware.profiles import load_cluster, load_device
from simdl.kernels.sharding import Shard
from simdl.memory.activations import largest_output, layer_saved_bytes
from simdl.memory.context import (
    communicator_bytes,
    communicators,
    context_bytes,
    copied_gradient,
    process_bytes,
)
from simdl.software.reader import load_stack
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from workloads.network import Block
from workloads.registry import load_network

pytestmark = pytest.mark.theory

CHANNEL = 3 * (2**19 + 120 * 640 * 8 * 8 + 2**22)
"""[bytes] of a channel: three receiving ends with buffers of LL, LL128 and Simple."""


def process(pricing):
    return process_bytes(pricing.stack, pricing.cluster.device)


@pytest.fixture(scope="module")
def pricing():
    workload = build_workload(load_network("lenet5"), global_batch=64, precision="fp32")
    return price(workload, load_cluster("dgx-a100:4"), stack=load_stack("pytorch-eager"))


def test_one_device_has_no_communicator(pricing):
    assert context_bytes(Strategy(), pricing) == process(pricing) == (1.5 + 92 / 1024) * 2**30


def test_a_communicator_holds_the_buffers_of_its_channels(pricing):
    held = context_bytes(Strategy(dp=8), pricing) - process(pricing)
    assert held == communicator_bytes("nccl") == 8 * CHANNEL
    assert context_bytes(Strategy(dp=2, tp=4, pp=4), pricing) - process(pricing) == 3 * held


def test_every_kind_of_group_has_a_communicator():
    strategy = Strategy(dp=2, tp=4, pp=4, zero=1)
    assert [(group.size, group.stride) for group in communicators(strategy)] == [(4, 1), (2, 4), (4, 8)]
    hybrid = Strategy(dp=8, zero=3, shard_degree=2)
    assert [(group.size, group.stride) for group in communicators(hybrid)] == [(2, 1), (4, 2)]


def test_libraries_without_kernels_on_the_device_keep_nothing_there(pricing):
    gloo = replace(pricing, stack=replace(pricing.stack, library="gloo"))
    assert context_bytes(Strategy(dp=8), gloo) == process(gloo)


@pytest.mark.parametrize(
    ("name", "held"), [("v100-sxm2-32gb", 0.98), ("h100-sxm-80gb", 0.5), ("tpu-v4", 0.0)]
)
def test_a_context_is_what_its_generation_was_seen_to_hold(pricing, name, held):
    bare = replace(pricing.stack, memory_context=0.0)
    assert process_bytes(bare, load_device(name)) == pytest.approx(held * 2**30)


def test_distributed_data_parallel_copies_every_gradient_to_its_bucket(pricing):
    """The largest of LeNet-5 has 120 rows of 400 weights; replicas alone copy."""
    copied = replace(pricing, stack=replace(pricing.stack, bucket_copies=True))
    assert copied_gradient(Strategy(dp=8), copied) == 4 * 120 * 400
    assert copied_gradient(Strategy(), copied) == copied_gradient(Strategy(dp=8, zero=3), copied) == 0
    assert copied_gradient(Strategy(dp=8), pricing) == 0


@pytest.mark.parametrize(("stack", "kept", "brief"), [("pyg", 16, 2 * 16 * 4), ("dgl", 48, 0)])
def test_edges_are_kept_as_given_or_sorted_twice_more_and_messages_only_without_a_sparse_product(
    stack, kept, brief
):
    """By edge: two indices of 8 bytes in one order or three; messages of 16 features, read and scaled."""
    network = load_network("gcn-reddit")
    layer = next(layer for _, layer in network.layers() if layer.kind == "aggregation")
    priced = price(
        build_workload(network, global_batch=1, precision="fp32"),
        load_cluster("dgx-a100:4"),
        stack=load_stack(stack),
    )
    edges = layer.attributes["edges"]
    assert layer_saved_bytes(layer, priced, Shard()) == kept * edges
    own = largest_output(Block(name="one", layers=(layer,)), priced, Shard())
    assert own == brief * edges + 2 * 4 * layer.output_elements


@pytest.mark.parametrize(("stack", "kept"), [("pytorch-eager", 1), ("pytorch-cpu", 4)])
def test_dropout_keeps_a_byte_an_element_or_where_no_kernel_draws_it_a_factor(pricing, stack, kept):
    layer = next(layer for _, layer in load_network("gcn-cora").layers() if layer.kind == "dropout")
    priced = replace(pricing, stack=load_stack(stack))
    assert layer_saved_bytes(layer, priced, Shard()) == kept * 2708 * 1433
