"""Mixtures of experts on expert-parallel ranks: what each computes, holds, sends and keeps, in closed form.

E experts of width f, k of them per token, s tokens of h features; degrees ep and etp (Megatron-Core's
expert-parallel and expert-tensor-parallel sizes).
"""

import math
from dataclasses import replace
from itertools import combinations

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from simdl.communication import Group, Operation
from simdl.kernels.block_kernels import expert_exchanges, places
from simdl.kernels.kernel import Product
from simdl.kernels.sharding import Shard, block_kernels
from simdl.step.costs.block_cost import block_costs
from simdl.step.costs.gradients import reductions, replica_group, share_shards
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy, problems
from workloads.operators import Pass, Routing
from workloads.zoo.language.decoder.parts import Experts

pytestmark = pytest.mark.theory

E, K, F, S, H = 8, 2, 512, 256, 256
EXPERTS = Experts(count=E, chosen=K, ffn=F)
CHOICES = {
    "hidden": H,
    "tokens": S,
    "gated": True,
    "activation": "silu",
    "normalization": "rmsnorm",
    "positions": "rotary",
    "max_positions": 0,
    "bias": False,
    "qkv_bias": False,
    "dropout": False,
}


def network(experts: Experts = EXPERTS, **changes):
    return build_network(experts=experts, **{**CHOICES, **changes})


def pricing(net=None, *, nodes=2, **stack):
    chosen = {"attention": "flash-causal", **stack}
    return price(
        build_workload(net or network(), global_batch=32),
        build_cluster(nodes, devices=8),
        stack=build_stack(**chosen),
    )


def grouped(which: Pass, net=None, **shard) -> list[Product]:
    prices = pricing(net)
    kernels = block_kernels(
        prices.network.blocks[1], which, shard=Shard(**shard), precision=prices.precision, stack=prices.stack
    )
    return [kernel.shape for kernel in kernels if kernel.experts and kernel.shape]


@pytest.mark.parametrize(("ep", "etp"), [(1, 1), (4, 1), (8, 1), (2, 2), (1, 4)])
def test_a_rank_multiplies_the_rows_of_its_experts_with_its_part_of_them(ep, etp):
    rows = S * K * etp * ep // E  # of each of E / ep experts: all tokens of etp x ep ranks, divided
    up, down = grouped(Pass.FORWARD, tp=1, ep=ep, etp=etp)
    assert up == Product(rows, 2 * F // etp, H, E // ep)
    assert down == Product(rows, H, F // etp, E // ep)
    assert grouped(Pass.WEIGHT_GRADIENT, tp=1, ep=ep, etp=etp)[-1] == Product(H, 2 * F // etp, rows, E // ep)


@pytest.mark.parametrize(("ep", "etp"), [(1, 1), (4, 1), (2, 2)])
def test_work_of_a_rank_does_not_hang_on_how_experts_are_divided(ep, etp):
    prices = pricing()
    shard = Shard(ep=ep, etp=etp)
    kernels = block_kernels(
        prices.network.blocks[1], Pass.FORWARD, shard=shard, precision=prices.precision, stack=prices.stack
    )
    assert sum(kernel.flops for kernel in kernels if kernel.experts) == 2 * S * K * 3 * H * F


def test_imbalance_and_capacity_stretch_the_busiest_rank_and_leave_model_flops():
    balanced = network()
    busy, padded = (network(replace(EXPERTS, **{name: 1.5})) for name in ("imbalance", "capacity"))
    assert balanced.model_flops == busy.model_flops == padded.model_flops
    for net in (busy, padded):
        assert grouped(Pass.FORWARD, net, ep=4)[0].m == grouped(Pass.FORWARD, ep=4)[0].m * 1.5
        assert expert_bytes(net, ep=4) == [1.5 * nbytes for nbytes in expert_bytes(network(), ep=4)]


def test_an_uneven_load_takes_no_longer_than_its_share():
    """Rows of 1.3 times the mean are odd; libraries pad them instead of leaving the matrix units."""
    work = [
        block_costs(pricing(network(replace(EXPERTS, imbalance=load))), Shard(ep=8), Recompute.NONE)[1]
        for load in (1.0, 1.3)
    ]
    assert work[0].backward.device < work[1].backward.device < 1.4 * work[0].backward.device


def test_a_token_meets_the_parameters_of_its_own_experts():
    net = network()
    layers = net.blocks[1].count
    assert net.parameters - net.active_parameters == layers * (E - K) * 3 * H * F


def expert_bytes(net, *, backward=False, dispatch="all_to_all", **shard) -> list[float]:
    prices = pricing(net, dispatch=dispatch)
    found = expert_exchanges(prices, Shard(**shard), prices.network.blocks[1].layers, backward=backward)
    return [nbytes for *_, nbytes, _ in found]


@pytest.mark.parametrize("backward", [False, True])
def test_all_to_all_sends_a_row_per_chosen_expert_and_brings_it_back(backward):
    assert expert_bytes(network(), ep=4, backward=backward) == [S * K * H * 2] * 2


def test_ranks_that_share_an_expert_gather_each_others_rows():
    sent = S * K * H * 2 / 2
    assert expert_bytes(network(), tp=2, ep=4, etp=2, sequence_parallel=True) == [
        sent,
        2 * sent,
        2 * sent,
        sent,
    ]


def test_all_gather_brings_all_tokens_to_all_ranks():
    assert expert_bytes(network(), ep=8, dispatch="all_gather") == [S * H * 2 * 8] * 2


@pytest.mark.parametrize(("count", "chosen", "ranks"), [(8, 2, 4), (8, 2, 8), (16, 4, 4), (12, 3, 2)])
def test_deduplicated_dispatch_sends_a_token_once_to_a_rank(count, chosen, ranks):
    each = count // ranks
    choices = list(combinations(range(count), chosen))
    mean = sum(len({expert // each for expert in choice}) for choice in choices) / len(choices)
    assert places(Routing(experts=count, chosen=chosen), ranks) == pytest.approx(mean)


def test_groups_of_experts_limit_the_places_that_a_token_goes_to():
    free, limited = Routing(experts=64, chosen=8), Routing(experts=64, chosen=8, groups=8, chosen_groups=2)
    assert places(limited, 8) == pytest.approx(2.0, abs=0.01)
    assert places(free, 8) > 5


def test_experts_and_the_rest_have_replicas_of_their_own():
    """16 ranks, tp 2, cp 2, dp 4; ep 4 x etp 2 leaves 2 replicas of experts, at a distance of 8."""
    strategy = Strategy(dp=4, tp=2, cp=2, ep=4, etp=2, zero=1, sequence_parallel=True)
    shard = Shard(tp=2, cp=2, ep=4, etp=2, sequence_parallel=True)
    plain, experts = block_costs(pricing(), shard, Recompute.NONE)[1].gradients
    assert replica_group(plain.group, strategy) == Group(size=8, stride=2)
    assert replica_group(experts.group, strategy) == Group(size=2, stride=8)
    assert (share_shards(plain.group, strategy), share_shards(experts.group, strategy)) == (8, 2)
    assert experts.parameters == E * 3 * H * F / 8
    sums = list(reductions((plain, experts), strategy, pricing()))
    assert [(each.operation, each.group.size) for each in sums] == [
        (Operation.REDUCE_SCATTER, 8),
        (Operation.REDUCE_SCATTER, 2),
    ]


def test_where_experts_are_divided_like_the_rest_they_travel_with_it():
    plain, experts = block_costs(pricing(), Shard(tp=4, etp=4, sequence_parallel=True), Recompute.NONE)[
        1
    ].gradients
    assert plain.group == experts.group


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ({"dp": 16, "ep": 3}, "ep 3 does not divide the 8 experts of tiny; expected a divisor"),
        ({"dp": 8, "tp": 2, "etp": 3}, "etp 3 does not divide the 512 features of an expert"),
        ({"dp": 4, "pp": 4, "ep": 8}, "ep 8 x etp 1 = 8 does not divide the 4 ranks of a stage"),
        ({"dp": 8, "tp": 2, "ep": 4}, "tp 2 with experts: found no sequence_parallel; expected it"),
    ],
)
def test_degrees_that_do_not_divide_are_refused(degrees, expected):
    workload = build_workload(network(), global_batch=16)
    found = list(problems(Strategy(**degrees), workload, build_cluster(2, devices=8)))
    assert any(expected in reason for reason in found), found


def test_dense_networks_have_no_experts_to_divide():
    workload = build_workload(build_network(), global_batch=16)
    found = list(problems(Strategy(dp=16, ep=2), workload, build_cluster(2, devices=8)))
    assert found == ["ep: found 2; expected 1, because tiny has no experts"]


def test_expert_parallelism_takes_state_and_time_apart():
    """Experts over 8 ranks instead of on every rank: less state, tokens on the way instead."""
    workload, cluster = build_workload(network(vocab=512), global_batch=16), build_cluster(2, devices=8)
    alone, shared = (
        simulate(workload, cluster, Strategy(dp=16, ep=ep), stack=build_stack(attention="flash")).report
        for ep in (1, 8)
    )
    assert "expert_communication" not in alone.breakdown or alone.breakdown["expert_communication"] == 0
    assert shared.breakdown["expert_communication"] > 0
    assert shared.memory["optimizer"] < alone.memory["optimizer"]
    assert math.isclose(sum(shared.breakdown.values()), shared.step_time)
    assert shared.memory["parameters"] < alone.memory["parameters"]


def test_tokens_hide_behind_another_microbatch_and_only_there():
    def exposed(microbatches, **stack):
        workload = build_workload(network(), global_batch=8 * microbatches)
        strategy = Strategy(dp=8, ep=8, micro_batch=1)
        report = simulate(workload, build_cluster(2), strategy, stack=build_stack(**stack)).report
        return report.breakdown["expert_communication"]

    assert exposed(1, dispatch_overlap=0.5) == exposed(1) > 0
    assert exposed(2, dispatch_overlap=0.5) == pytest.approx(0.5 * exposed(2))
