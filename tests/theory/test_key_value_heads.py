"""Grouped-query attention on more tensor-parallel ranks than key-value heads: every rank holds one head.

A rank of degree t has a/t of the a query heads and max(1, g/t) of the g key-value heads, each of d features
(`workloads.operators.HeadSplit`).
"""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from simdl.kernels.block_kernels import context_transfers
from simdl.kernels.kernel import Product
from simdl.kernels.sharding import Shard, block_kernels
from simdl.memory.activations import LOG_SUM_EXP
from simdl.step.costs.block_cost import block_costs
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy
from workloads.network import Network
from workloads.operators import Pass
from workloads.registry import load_network

pytestmark = pytest.mark.theory

LLAMA = load_network("llama3-70b", tokens=2048)
H, A, G, D, F, S = 8192, 64, 8, 128, 28672, 2048  # hidden, heads, key-value heads, head size, ffn, tokens
COLUMNS = [(8, 1280), (16, 768), (32, 512), (64, 384)]


def pricing(network: Network, **stack):
    return price(
        build_workload(network, global_batch=64),
        build_cluster(64, devices=8),
        stack=build_stack(attention="flash", **stack),
    )


def products(network: Network, which: Pass, tp: int) -> list[Product]:
    prices = pricing(network)
    kernels = block_kernels(
        network.blocks[1], which, shard=Shard(tp=tp), precision=prices.precision, stack=prices.stack
    )
    return [kernel.shape for kernel in kernels if isinstance(kernel.shape, Product)]


def decoder(tp: int, mode=Recompute.NONE, **stack):
    shard = Shard(tp=tp, sequence_parallel=tp > 1)
    return block_costs(pricing(LLAMA, **stack), shard, mode)[1]


@pytest.mark.parametrize(("tp", "columns"), COLUMNS)
def test_query_key_value_products_have_a_key_and_a_value_head_at_least(tp, columns):
    assert columns == (A // tp + 2 * max(1, G // tp)) * D
    assert products(LLAMA, Pass.FORWARD, tp)[0] == Product(S, columns, H)
    assert products(LLAMA, Pass.INPUT_GRADIENT, tp)[-1] == Product(S, H, columns)
    assert products(LLAMA, Pass.WEIGHT_GRADIENT, tp)[-1] == Product(H, columns, S)


@pytest.mark.parametrize(("tp", "columns"), COLUMNS)
def test_a_rank_keeps_the_weights_of_its_columns(tp, columns):
    needed = H * columns + H * H // tp + 3 * H * F // tp + 2 * H
    assert decoder(tp).parameters == pytest.approx(needed, rel=1e-12)


@pytest.mark.parametrize(("tp", "columns"), COLUMNS)
def test_a_rank_saves_the_keys_and_values_of_its_columns(tp, columns):
    # in 16 bit: two norm inputs and outputs, context, gate, its function, up, the product; and q, k, v
    divided = 2 * S * (4 * H + H + 4 * F) // tp + LOG_SUM_EXP * S * A // tp
    assert decoder(tp).saved == divided + 2 * S * columns


@pytest.mark.parametrize(("tp", "columns"), COLUMNS)
def test_a_stored_output_of_the_projection_has_all_its_columns(tp, columns):
    """The ``alternate`` policy stores block input and context, and of seven products q, v, gate and down."""
    stored = decoder(tp, Recompute.SELECTIVE, selective="alternate").saved
    queries = A // tp * D
    values = (columns - queries) // 2
    assert stored == 2 * S * (H // tp + H // tp + queries + values + F // tp + H // tp)


@pytest.mark.parametrize("tp", [1, 2, 8])
def test_the_only_key_value_head_travels_whole_round_the_ring(tp):
    """Multi-query attention (Shazeer 2019): keys and values of s/cp tokens and d features, in 16 bit."""
    network = build_network(hidden=1024, kv_heads=1, tokens=2048)
    shard, layers = Shard(tp=tp, cp=4), network.blocks[1].layers
    for backward in (False, True):
        ((layer, nbytes, _),) = context_transfers(pricing(network), shard, layers, backward=backward)
        assert layer.name == "attention"
        assert nbytes == (2 if backward else 1) * 2 * (2048 // 4) * 128 * 2


def test_every_rank_normalises_and_rotates_a_whole_key_head():
    network = build_network(hidden=1024, kv_heads=2, tokens=S, positions="rotary", qk_norm="head")
    layers = {layer.name: layer for layer in network.blocks[1].layers}
    shard = Shard(tp=8)
    (kept,) = layers["key_norm"].saved
    assert kept.elements * shard.share(kept.split) == S * D
    for name, part in (
        ("split", "key"),
        ("split", "value"),
        ("key_norm", "layernorm"),
        ("rotary", "key sine"),
    ):
        (operator,) = (each for each in layers[name].forward if each.name == part)
        assert operator.writes * shard.share(operator.split) == S * D
    (join,) = layers["split"].input_gradient
    assert join.writes * shard.share(join.split) == pytest.approx(S * (8 // 8 + 2) * D, rel=1e-12)


def test_memory_of_a_step_on_copied_heads_is_that_of_as_many_heads_as_ranks():
    """Parameters, gradients, optimizer state and activations alike."""
    cluster, stack, strategy = build_cluster(2), build_stack(), Strategy(tp=8, sequence_parallel=True)
    few, many = (
        simulate(build_workload(build_network(kv_heads=count)), cluster, strategy, stack=stack).report
        for count in (2, 8)
    )
    assert few.memory == pytest.approx(many.memory, rel=1e-12)
    assert few.step_time == pytest.approx(many.step_time, rel=1e-12)
