"""Costs of one block: communication at the ends of parallel regions, recomputation and parameters."""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from simdl.communication import Group, Operation, collective_time, point_to_point_time
from simdl.kernels.cost_model import ConstantCostModel
from simdl.kernels.sharding import Shard
from simdl.step.costs.block_cost import block_costs
from simdl.step.simulate import price
from simdl.step.strategy import Recompute

TOKENS, HIDDEN = 128, 256
ACTIVATION = 2  # bytes


def pricing(*, cluster=None, seconds=1e-3, **stack):
    return price(
        build_workload(build_network()),
        cluster or build_cluster(),
        stack=build_stack(**stack),
        cost_model=ConstantCostModel(seconds),
    )


def decoder(shard=None, recompute=Recompute.NONE, **options):
    return block_costs(pricing(**options), shard or Shard(), recompute)[1]


def boundary_time(operation, tp=4, library="nccl"):
    nbytes = TOKENS * HIDDEN * ACTIVATION
    return collective_time(operation, nbytes, Group(size=tp), build_cluster(), library=library).time


@pytest.mark.theory
def test_a_block_all_reduces_twice_each_way_under_tensor_parallelism():
    """Shoeybi et al. 2019, section 3: g forward and f backward, in attention and in the feed-forward part."""
    cost = decoder(Shard(tp=4))
    both = 2 * boundary_time(Operation.ALL_REDUCE)
    assert cost.forward.tensor == pytest.approx(both, rel=1e-2)
    assert cost.backward.tensor == pytest.approx(both, rel=1e-2)
    assert cost.forward.calls == cost.backward.calls == 2


@pytest.mark.theory
def test_sequence_parallelism_gathers_and_scatters_and_gathers_again_backward():
    """Korthikanti et al. 2022, section 4.2.2."""
    cost = decoder(Shard(tp=4, sequence_parallel=True))
    gather, scatter = boundary_time(Operation.ALL_GATHER), boundary_time(Operation.REDUCE_SCATTER)
    assert cost.forward.tensor == pytest.approx(2 * (gather + scatter), rel=1e-2)
    assert cost.backward.tensor == pytest.approx(2 * (2 * gather + scatter), rel=1e-2)
    assert cost.forward.calls == 4
    assert cost.backward.calls == 6


def test_a_stack_hides_a_share_of_tensor_communication():
    whole, half = (decoder(Shard(tp=4), tensor_overlap=share).forward for share in (0.0, 0.5))
    assert half.tensor == pytest.approx(whole.tensor / 2)
    assert half.device == whole.device
    assert half.calls == whole.calls


@pytest.mark.theory
@pytest.mark.parametrize("tp", [2, 4])
def test_products_in_pieces_leave_one_piece_of_tensor_communication(tp):
    whole, pieces = (
        decoder(Shard(tp=tp, sequence_parallel=True), tensor_overlap=share) for share in (0.0, None)
    )
    assert pieces.forward.tensor == pytest.approx(whole.forward.tensor / tp)
    assert pieces.backward.tensor == pytest.approx(whole.backward.tensor / tp)


@pytest.mark.theory
def test_pieces_hide_nothing_across_nodes():
    whole, pieces = (
        decoder(Shard(tp=8), cluster=build_cluster(), tensor_overlap=share).forward.tensor
        for share in (0.0, None)
    )
    assert pieces == whole > 0


def test_one_rank_communicates_nothing():
    cost = decoder()
    assert cost.forward.tensor == cost.forward.context == cost.backward.tensor == 0.0
    assert cost.forward.calls == 0


def test_keys_and_values_travel_round_the_ring_beside_attention():
    """cp - 1 transfers, twice the bytes backward, exposed where attention is shorter (Liu et al. 2023)."""
    shard = Shard(cp=4)
    cost = decoder(shard, seconds=0.0)
    nbytes = 2 * TOKENS * HIDDEN / 4 * ACTIVATION
    transfer = point_to_point_time(nbytes, 1, build_cluster())
    back = point_to_point_time(2 * nbytes, 1, build_cluster())
    assert cost.forward.context == pytest.approx(3 * transfer)
    assert cost.backward.context == pytest.approx(3 * back)
    assert decoder(shard, seconds=1.0).forward.context == 0.0


def test_launches_count_kernels_and_device_adds_them_up():
    cost = decoder()
    assert cost.forward.device == pytest.approx(cost.forward.launches * 1e-3)
    assert cost.backward.device == pytest.approx(cost.backward.launches * 1e-3)
    assert cost.forward.launches > 10


def test_full_recomputation_repeats_the_forward_pass_with_its_communication():
    cost = decoder(Shard(tp=4), Recompute.FULL)
    assert cost.recompute == cost.forward
    assert cost.backward == decoder(Shard(tp=4)).backward


def test_selective_recomputation_repeats_the_attention_core_only():
    cost = decoder(Shard(tp=4), Recompute.SELECTIVE)
    assert 0 < cost.recompute.launches < cost.forward.launches
    assert cost.recompute.tensor == 0.0
    assert cost.recomputed_flops == 4 * TOKENS * TOKENS * HIDDEN


def test_alternate_recomputation_repeats_all_but_attention_and_every_other_product():
    cost = decoder(recompute=Recompute.SELECTIVE, selective="alternate")
    core = decoder(recompute=Recompute.SELECTIVE)
    full = decoder(recompute=Recompute.FULL)
    products = 2 * TOKENS * HIDDEN * (HIDDEN + 4 * HIDDEN)
    assert cost.recomputed_flops == products  # output projection and second product of the feed-forward part
    assert core.recompute.launches < cost.recompute.launches < full.recompute.launches
    assert full.saved < cost.saved


def test_embedding_and_head_are_never_recomputed():
    for index in (0, 2):
        full, none = (
            block_costs(pricing(), Shard(), mode)[index] for mode in (Recompute.FULL, Recompute.NONE)
        )
        assert full.recompute.launches == 0
        assert full.saved == none.saved


def test_what_recomputation_does_not_keep_is_live_while_the_block_runs_backward():
    none, full = decoder(), decoder(recompute=Recompute.FULL)
    assert full.saved < none.saved
    assert full.saved + full.transient == pytest.approx(none.saved + none.transient)


def test_boundary_is_what_the_next_stage_needs():
    nbytes = TOKENS * HIDDEN * ACTIVATION
    assert decoder(Shard(micro_batch=3)).boundary == 3 * nbytes
    assert decoder(Shard(tp=4)).boundary == nbytes
    assert decoder(Shard(tp=4, sequence_parallel=True)).boundary == nbytes / 4
    assert decoder(Shard(cp=2)).boundary == nbytes / 2


def test_tied_weights_are_counted_where_they_are_owned():
    costs = block_costs(pricing(), Shard(), Recompute.NONE)
    network = build_network()
    assert costs[2].parameters == 2 * HIDDEN
    assert sum(
        cost.parameters * block.count for cost, block in zip(costs, network.blocks, strict=True)
    ) == pytest.approx(network.parameters)


def test_equal_questions_are_priced_once():
    prices = pricing()
    assert block_costs(prices, Shard(tp=2), Recompute.NONE) is block_costs(
        prices, Shard(tp=2), Recompute.NONE
    )
