"""Gradients filled with zeros between steps, kernels within a library's call, and host work by variable."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_workload

from simdl.kernels.pricing import kernel_work
from simdl.kernels.sharding import Shard, layer_kernels
from simdl.software.reader import load_stack
from simdl.step.costs.block_cost import block_costs, block_tensors
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy
from workloads.dtypes import load_precision
from workloads.layers.images.convolution import convolution
from workloads.operators import Pass
from workloads.registry import load_network
from workloads.tensors import Tensor

CLUSTER = build_cluster(1)


def weight_gradients(**changes):
    work = build_workload(load_network("lenet5"), precision="fp32", global_batch=8)
    stack = replace(load_stack("pytorch-eager"), backward_launch=1.0, **changes)
    costs = block_costs(price(work, CLUSTER, stack=stack), Shard(micro_batch=8), Recompute.NONE)
    return work.network, [cost.weight_gradient for cost in costs]


@pytest.mark.theory
def test_filled_gradients_cost_two_launches_a_variable():
    network, dropped = weight_gradients()
    _, filled = weight_gradients(zeroed_gradients=True)
    for block, before, after in zip(network.blocks, dropped, filled, strict=True):
        assert after.launches - before.launches == 2 * block_tensors(block)
        assert after.device >= before.device


@pytest.mark.theory
def test_copies_within_a_convolution_are_no_calls_of_the_host():
    layer = convolution(
        "conv", Tensor("input", (32, 28, 28)), out_channels=64, kernel=3, padding=1, bias=False
    )
    stack = replace(load_stack("pytorch-eager"), layout="channels_first")
    model = price(build_workload(), CLUSTER, stack=stack).cost_model
    options = {"shard": Shard(micro_batch=4), "precision": load_precision("fp16"), "stack": stack}
    kernels = layer_kernels([layer], Pass.FORWARD, **options)
    work = kernel_work(kernels, stack, CLUSTER.device, model)
    product = kernel_work([each for each in kernels if not each.inner], stack, CLUSTER.device, model)
    assert len(kernels) == 2
    assert work.launches == product.launches == 1
    assert work.device > product.device


@pytest.mark.theory
@pytest.mark.parametrize("pp", [1, 2])
def test_host_work_by_variable_is_that_of_a_stage(pp):
    work = build_workload(load_network("vgg16"), precision="fp32", global_batch=8)
    variables = sum(block_tensors(block) * block.count for block in work.network.blocks)
    assert variables == 2 * 16
    stack = load_stack("pytorch-eager")
    times = [
        simulate(
            work,
            build_cluster(1, devices=pp),
            Strategy(pp=pp),
            stack=replace(stack, variable_overhead=seconds),
        ).report
        for seconds in (0.0, 1e-3)
    ]
    assert times[1].step_time - times[0].step_time == pytest.approx(variables / pp * 1e-3)
