"""Rules of the division of attention heads on generated cases."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given
from hypothesis import strategies as st

from simdl.kernels.block_kernels import (
    context_transfers,
    forward_kernels,
    input_gradient_kernels,
    weight_gradient_kernels,
)
from simdl.kernels.sharding import Shard
from simdl.step.costs.block_cost import block_costs
from simdl.step.simulate import price
from simdl.step.strategy import Recompute
from workloads.operators import HeadSplit, Split

pytestmark = pytest.mark.property

SHARDS = st.builds(
    Shard,
    cp=st.sampled_from([1, 2, 3]),
    sequence_parallel=st.booleans(),
    micro_batch=st.integers(1, 5),
    pipelined=st.booleans(),
)


@given(
    split=st.builds(
        HeadSplit,
        axis=st.sampled_from([Split.COLUMN, Split.ROW, Split.HEADS]),
        queries=st.integers(0, 128),
        kv_heads=st.integers(1, 64),
        tensors=st.integers(1, 2),
    ),
    shard=SHARDS,
    data=st.data(),
)
def test_up_to_the_key_value_heads_a_division_by_heads_is_a_plain_one(split, shard, data):
    """To the last bit: nothing is copied."""
    shard = replace(shard, tp=data.draw(st.integers(1, split.kv_heads)))
    assert shard.share(split) == shard.share(split.axis)
    assert shard.parameter_share(split) == shard.parameter_share(split.axis)
    assert shard.held(1000003, split) == 1000003


@given(
    kv_heads=st.sampled_from([1, 2, 4]),
    choices=st.fixed_dictionaries(
        {
            "positions": st.sampled_from(["rotary", "learned"]),
            "qkv_bias": st.booleans(),
        }
    ),
    stack=st.builds(
        build_stack,
        attention=st.sampled_from(["flash", "unfused"]),
        selective=st.sampled_from(["attention", "alternate"]),
    ),
    mode=st.sampled_from(Recompute),
    shard=SHARDS,
)
def test_a_rank_that_copies_heads_works_as_if_it_had_its_own(kv_heads, choices, stack, mode, shard):
    """Seen from one of t ranks, g < t key-value heads are t of them: same kernels, bytes and parameters."""
    shard = replace(shard, tp=8)
    few, many = (
        rank_work(build_network(kv_heads=heads, tokens=192, max_positions=192, **choices), stack, shard, mode)
        for heads in (kv_heads, 8)
    )
    assert few[0] == many[0]
    assert few[1] == pytest.approx(many[1], rel=1e-12)


def rank_work(network, stack, shard, mode):
    """Names and shapes of the kernels of a decoder block, and everything about it that has a size."""
    prices = price(build_workload(network), build_cluster(6), stack=stack)
    block = network.blocks[1]
    kernels = [
        kernel
        for found in (forward_kernels, input_gradient_kernels, weight_gradient_kernels)
        for kernel in found(prices, shard, block)
    ]
    cost = block_costs(prices, shard, mode)[1]
    sizes = [size for _, kernel in kernels for size in (kernel.flops, kernel.nbytes)]
    sizes += [nbytes for _, nbytes, _ in context_transfers(prices, shard, block.layers, backward=True)]
    sizes += [cost.parameters, cost.saved, cost.boundary]
    sizes += [work.busy for work in (cost.forward, cost.backward, cost.recompute)]
    return [(layer, kernel.name, kernel.shape) for layer, kernel in kernels], sizes
