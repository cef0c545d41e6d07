"""What blocks of images keep for their backward pass: closed forms of their shapes."""

import pytest
from builders import build_workload

from hardware.profiles import load_cluster
from simdl.software.reader import load_stack
from simdl.splits.arrangement import Arrangement
from simdl.splits.block_costs import split_block_costs
from simdl.step.costs.block_cost import block_costs
from simdl.step.costs.step_cost import shard_of
from simdl.step.simulate import price
from simdl.step.strategy import Recompute, Strategy
from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft
from workloads.layers.images.convolution import convolution
from workloads.layers.images.inverted_residual import InvertedResidual, inverted_residual
from workloads.registry import load_network

BATCH, BYTES = 8, 4


def pricing_of(name, cluster="dgx-1-v100:1gpu", stack="pytorch-eager"):
    workload = build_workload(load_network(name), precision="fp32", global_batch=BATCH)
    return price(workload, load_cluster(cluster), stack=load_stack(stack))


@pytest.mark.theory
def test_processors_convolve_copies_in_blocks_of_channels():
    """One channel and six are filled up to eight each; torch's profiler counts 2 x 6.42 MB at batch 256."""
    pricing = pricing_of("lenet5", "cpu-node", "pytorch-cpu")
    costs = block_costs(pricing, shard_of(Strategy(micro_batch=BATCH)), Recompute.NONE)
    assert costs[0].transient == BYTES * BATCH * (8 + 8) * 28 * 28
    plain = block_costs(pricing_of("lenet5"), shard_of(Strategy(micro_batch=BATCH)), Recompute.NONE)
    assert plain[0].transient == 2 * BYTES * BATCH * 6 * 28 * 28  # the largest output and its gradient


@pytest.mark.theory
@pytest.mark.parametrize(
    ("name", "image"), [("vgg16", 3 * 224 * 224), ("resnet50", 3 * 224 * 224), ("lenet5", 28 * 28)]
)
def test_first_block_of_full_recomputation_keeps_the_image(name, image):
    """Every other block keeps what the block before it hands on."""
    pricing = pricing_of(name)
    costs = block_costs(pricing, shard_of(Strategy(micro_batch=BATCH)), Recompute.FULL)
    blocks = pricing.network.blocks
    inputs = [image, *(block.output_elements for block in blocks[:-1])]
    redone = [
        (cost.saved, elements)
        for cost, elements, block in zip(costs, inputs, blocks, strict=True)
        if block.recomputable
    ]
    assert redone[0][1] == image
    for saved, elements in redone:
        assert saved == pytest.approx(elements * BATCH * BYTES, rel=1e-12)


@pytest.mark.theory
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_that_split_the_first_layer_by_sample_keep_their_images(ranks):
    chain = split_block_costs(pricing_of("lenet5"), Arrangement(ranks=ranks, samples=BATCH), Recompute.FULL)
    assert chain[0].saved == pytest.approx(28 * 28 * BATCH // ranks * BYTES)


@pytest.mark.theory
@pytest.mark.parametrize(("function", "copies"), [("relu", 2), ("relu6", 3), ("silu", 3), ("hardswish", 3)])
def test_maps_that_an_inverted_residual_keeps(function, copies):
    """Inside, both convolutions' outputs, what the activation writes and, but for ReLU, what it reads.

    PyTorch's autograd saves the same tensors for conv, batch norm and activation in place: 6 of 96 channels
    for ReLU6, 4 for ReLU, and two of 16 channels: the block's input, and what its last norm reads.
    """
    part = InvertedResidual(expanded=96, out_channels=16, kernel=3, stride=1, function=function)
    block = inverted_residual("block", (16, 28, 28), part)
    kept = sum(tensor.elements for layer in block.layers for tensor in layer.saved)
    assert kept == (2 * copies * 96 + 2 * 16) * 28 * 28


def test_a_block_reads_what_its_first_layer_keeps_or_reads():
    draft = Draft((3, 8, 8))

    draft.add(convolution, "conv", out_channels=4, kernel=3, padding=1)
    draft.add(relu, "relu")
    assert draft.block("whole").input_elements == 3 * 8 * 8
