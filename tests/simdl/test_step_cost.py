"""Prices of what a step does beside its passes: reductions, gathers, transfers and the update."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from gradient_times import gather_time, optimizer_time, reduce_time
from uniform import FLOPS, uniform_network

from simdl.communication import (
    Group,
    Operation,
    collective_seconds,
    collective_time,
    point_to_point_time,
)
from simdl.kernels.cost_model import ConstantCostModel
from simdl.pipelines.passes import PassKind
from simdl.step.costs.step_cost import (
    gradient_bytes,
    stage_hop,
    tied_time,
    transfer_time,
)
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

CLUSTER = build_cluster(4)  # four nodes of four devices
PARAMETERS = 1_000_000
NBYTES = 2 * PARAMETERS


def pricing(network=None, **stack):
    return price(
        build_workload(network or build_network()),
        CLUSTER,
        stack=build_stack(**stack),
        cost_model=ConstantCostModel(seconds_per_byte=1e-9, seconds_per_flop=1e-12),
    )


def seconds(operation, nbytes, size, stride):
    return collective_time(operation, nbytes, Group(size=size, stride=stride), CLUSTER, library="nccl").time


def boundary_time(strategy, prices):
    """[s] from the first stage to the second."""
    return transfer_time(NBYTES, stage_hop(0, strategy, CLUSTER), strategy, prices)


def test_without_zero_gradients_are_all_reduced_over_data_and_context_parallel_ranks():
    found = reduce_time(PARAMETERS, Strategy(dp=4, cp=2, tp=2), pricing())
    assert found == seconds(Operation.ALL_REDUCE, NBYTES, 8, 2)


@pytest.mark.parametrize("zero", [1, 2, 3])
def test_with_zero_gradients_are_reduced_and_scattered(zero):
    found = reduce_time(PARAMETERS, Strategy(dp=8, tp=2, zero=zero), pricing())
    assert found == seconds(Operation.REDUCE_SCATTER, NBYTES, 8, 2)


def test_hybrid_sharding_scatters_over_the_shards_and_sums_each_shard_across_copies():
    strategy = Strategy(dp=8, tp=2, zero=3, shard_degree=4)
    scatter = seconds(Operation.REDUCE_SCATTER, NBYTES, 4, 2)
    across = seconds(Operation.ALL_REDUCE, NBYTES / 4, 2, 8)
    assert reduce_time(PARAMETERS, strategy, pricing()) == pytest.approx(scatter + across, rel=1e-12)
    assert gather_time(PARAMETERS, strategy, pricing()) == seconds(Operation.ALL_GATHER, NBYTES, 4, 2)


def test_one_replica_reduces_and_gathers_nothing():
    strategy = Strategy(tp=4, pp=4, zero=1)
    assert reduce_time(PARAMETERS, strategy, pricing()) == 0.0
    assert gather_time(PARAMETERS, strategy, pricing()) == 0.0


def test_fp32_reduction_moves_twice_the_bytes():
    found = reduce_time(PARAMETERS, Strategy(dp=16), pricing(gradient_size=4))
    assert found == seconds(Operation.ALL_REDUCE, 2 * NBYTES, 16, 1)


@pytest.mark.parametrize(
    ("precision", "stack", "size"), [("fp32", 2, 4), ("fp16", 2, 2), ("fp16", 4, 4), ("tf32", 0, 4)]
)
def test_gradients_are_reduced_as_wide_as_they_are_written(precision, stack, size):
    workload = build_workload(precision=precision)
    found = price(workload, CLUSTER, stack=build_stack(gradient_size=stack))
    assert gradient_bytes(PARAMETERS, found) == size * PARAMETERS


def test_a_boundary_goes_to_the_rank_one_stage_away():
    found = boundary_time(Strategy(pp=4, dp=2, tp=2), pricing(scatter_gather=False))
    assert found == point_to_point_time(NBYTES, 4, CLUSTER)
    assert step_cost(build_workload(), Strategy(dp=8, tp=2), pricing()).transfer == (0.0,)


@pytest.mark.parametrize(
    ("strategy", "levels", "flows"),
    [
        (Strategy(pp=16), "0001" * 3 + "000", 1),
        (Strategy(pp=4, dp=2), "010", 2),
        (Strategy(pp=4, dp=2, tp=2), "111", 4),
        (Strategy(pp=2, dp=8), "1", 4),
        (Strategy(pp=5, tp=3), "1111", 3),  # ranks 1 and 2 to 4 and 5 leave their node
    ],
)
def test_a_boundary_crosses_nodes_where_a_rank_of_its_stage_does(strategy, levels, flows):
    """Nodes of four devices."""
    hops = [stage_hop(boundary, strategy, CLUSTER) for boundary in range(strategy.pp - 1)]
    assert "".join(str(hop.level) for hop in hops) == levels
    assert {hop.flows for hop in hops if hop.level} == {flows}


def test_an_interleaved_pipeline_goes_round_from_the_last_node_to_the_first():
    strategy = Strategy(pp=8, schedule="interleaved-1f1b", virtual_stages=2)
    levels = [stage_hop(boundary, strategy, CLUSTER).level for boundary in range(15)]
    assert levels == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    within = Strategy(pp=4, schedule="interleaved-1f1b", virtual_stages=2)
    assert {stage_hop(boundary, within, CLUSTER).level for boundary in range(7)} == {0}


def test_scatter_gather_sends_a_part_each_and_gathers_on_arrival():
    """Narayanan et al. 2021, section 4.1."""
    found = boundary_time(Strategy(pp=4, tp=4), pricing(scatter_gather=True))
    expected = point_to_point_time(NBYTES / 4, 4, CLUSTER) + seconds(Operation.ALL_GATHER, NBYTES, 4, 1)
    assert found == pytest.approx(expected, rel=1e-12)


def test_sequence_parallel_ranks_have_nothing_to_scatter():
    strategy = Strategy(pp=4, tp=4, sequence_parallel=True)
    assert boundary_time(strategy, pricing()) == point_to_point_time(NBYTES, 4, CLUSTER)


def test_tied_embedding_is_summed_between_first_and_last_stage():
    strategy = Strategy(pp=4, tp=2, dp=2)
    vocab, hidden = 1000, 256
    found = tied_time(build_workload(), strategy, pricing())
    assert found == seconds(Operation.ALL_REDUCE, 2 * vocab * hidden / 2, 2, 12)
    assert tied_time(build_workload(), Strategy(dp=16), pricing()) == 0.0


@pytest.mark.theory
@pytest.mark.parametrize(("zero", "shards"), [(0, 1), (1, 8), (2, 8), (3, 8)])
def test_update_streams_the_state_of_the_shard_once(zero, shards):
    """Adam in mixed precision: moments and master read and written (24), gradient (2), weight (2)."""
    prices = pricing(optimizer_traffic=0.0)
    workload = build_workload()
    found = optimizer_time(PARAMETERS, workload, Strategy(dp=8, zero=zero), prices)
    owned = PARAMETERS / shards
    flops = workload.optimizer.flops * owned
    assert found == pytest.approx((24 + 2 + 2) * owned * 1e-9 + flops * 1e-12, rel=1e-12)


def test_traffic_beside_the_update_is_per_parameter():
    plain, more = (
        optimizer_time(PARAMETERS, build_workload(), Strategy(), pricing(optimizer_traffic=nbytes))
        for nbytes in (0.0, 10.0)
    )
    assert more - plain == pytest.approx(10 * PARAMETERS * 1e-9, rel=1e-9)


def test_gradients_that_accumulate_move_memory_in_every_backward_pass():
    network = uniform_network(2, parameters=PARAMETERS)
    plain, more = (
        step_cost(
            build_workload(network), Strategy(dp=16), pricing(network, accumulation_traffic=nbytes)
        ).pass_cost(((PassKind.BACKWARD, 0),))
        for nbytes in (0.0, 6.0)
    )
    assert plain.duration < more.duration
    device = dict(more.parts)["backward"]
    assert device == pytest.approx(2 * 2 * FLOPS * 1e-12 + 2 * 6 * PARAMETERS * 1e-9, rel=1e-9)


def test_a_step_has_one_price_per_stage_rank_and_boundary():
    strategy = Strategy(pp=2, dp=8, schedule="interleaved-1f1b", virtual_stages=2)
    step = step_cost(build_workload(), strategy, pricing())
    assert len(step.stages) == len(step.transfer) == 4
    assert len(step.optimizer) == 2
    assert step.transfer[-1] == 0.0
    assert step.rank_stages(1) == (step.stages[1], step.stages[3])
    assert step.microbatches == 2


@pytest.mark.parametrize("zero", [0, 1, 3])
def test_a_stack_slows_reductions_and_not_gathers(zero):
    strategy = Strategy(dp=8, zero=zero, shard_degree=4 if zero == 3 else 0)
    whole, half = (pricing(reduction_speed=speed) for speed in (1.0, 0.5))
    assert reduce_time(PARAMETERS, strategy, half) == pytest.approx(
        2 * reduce_time(PARAMETERS, strategy, whole)
    )
    assert gather_time(PARAMETERS, strategy, half) == gather_time(PARAMETERS, strategy, whole)


@pytest.mark.theory
def test_links_that_occupy_their_devices_hide_nothing():
    """Beside the backward pass as after it, but for the start of every bucket; without, some of it hides."""

    def seconds(occupancy, *, beside, speed=1.0):
        cluster = build_cluster(nodes=1)
        inner, outer = cluster.node.levels
        link = replace(inner.link, bandwidth=1e10, half_size=1.0, occupancy=occupancy)
        node = replace(cluster.node, levels=(replace(inner, link=link), outer))
        host = {"launch": 0.0, "collective_launch": 0.0, "step_overhead": 0.0}
        stack = build_stack(gradient_overlap=beside, bucket=5e5, reduction_speed=speed, **host)
        strategy = Strategy(dp=4, micro_batch=4)
        return simulate(build_workload(), replace(cluster, node=node), strategy, stack=stack).report.step_time

    after = seconds(1.0, beside=False)
    assert seconds(1.0, beside=False, speed=0.5) == after
    assert seconds(1.0, beside=True) == pytest.approx(after, rel=0.05)
    assert seconds(0.0, beside=True) < 0.9 * seconds(0.0, beside=False)


@pytest.mark.theory
@pytest.mark.parametrize(("zero", "copied"), [(1, True), (2, False), (3, False)])
def test_undivided_sums_of_zero_1_take_what_replicas_without_zero_take(zero, copied):
    scattered, whole = (pricing(sharded_sum=way) for way in ("reduce_scatter", "all_reduce"))
    strategy = Strategy(dp=8, zero=zero, shard_degree=4)
    like = (Strategy(dp=8), scattered) if copied else (strategy, scattered)
    assert reduce_time(PARAMETERS, strategy, whole) == reduce_time(PARAMETERS, *like)


@pytest.mark.theory
@pytest.mark.parametrize("zero", [1, 3])
def test_broadcasts_of_one_rank_after_another_take_as_many_times_one_of_its_part(zero):
    strategy, group = Strategy(dp=8, zero=zero), Group(size=8)
    gathered, broadcast = (pricing(parameter_gather=way) for way in ("all_gather", "broadcasts"))
    library, nbytes = broadcast.stack.library, PARAMETERS * broadcast.precision.parameter
    one = collective_seconds(Operation.BROADCAST, nbytes / 8, group, broadcast.cluster, library=library)
    expected = 8 * one if zero == 1 else gather_time(PARAMETERS, strategy, gathered)
    assert gather_time(PARAMETERS, strategy, broadcast) == pytest.approx(expected)
