"""The space agrees with what the simulator accepts."""

from itertools import product

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.space.candidates import Limits, divisors, enumerate_space, single_space
from simdl.step.strategy import Recompute, Strategy, problems

LIMITS = Limits(tensor_domains=2, context_tokens=32)


def strategies(space):
    return {space.strategy(index) for index in range(len(space))}


def brute_force(cluster):
    """Every strategy without problems on a product of small degrees, in the space's canonical form."""
    small = (1, 2, 3, 4, 8)
    for dp, tp, pp, cp in product(small, small, small, small):
        if dp * tp * pp * cp != cluster.devices:
            continue
        for micro, schedule, virtual, mode, zero, sequence in product(
            (1, 2, 3, 4, 8),
            ("1f1b", "gpipe", "interleaved-1f1b"),
            (1, 2, 4),
            Recompute,
            (0, 1, 2, 3),
            (False, True),
        ):
            strategy = Strategy(
                dp=dp,
                tp=tp,
                pp=pp,
                cp=cp,
                micro_batch=micro,
                schedule=schedule,
                virtual_stages=virtual,
                recompute=mode,
                zero=zero,
                sequence_parallel=sequence,
            )
            same_as_another = (
                (pp == 1 and schedule != "1f1b")
                or (schedule == "interleaved-1f1b" and virtual == 1)
                or (zero and strategy.replicas == 1)
            )
            if not same_as_another:
                yield strategy


def test_every_candidate_can_be_carried_out(tiny_workload):
    cluster = build_cluster(2)
    for strategy in strategies(enumerate_space(tiny_workload, cluster, limits=LIMITS)):
        assert not list(problems(strategy, tiny_workload, cluster)), strategy


def test_no_strategy_without_problems_is_missing():
    cluster = build_cluster(2)
    workload = build_workload(build_network(8), global_batch=8)
    found = strategies(enumerate_space(workload, cluster, limits=LIMITS))
    assert len(found) > 500
    wanted = [s for s in brute_force(cluster) if not list(problems(s, workload, cluster))]
    assert len(wanted) > 300
    missing = [s for s in wanted if s not in found and s.tp <= 8 and 128 // s.cp >= LIMITS.context_tokens]
    assert not missing


def test_steps_of_too_many_passes_are_no_candidates():
    cluster = build_cluster(2)
    workload = build_workload(build_network(8), global_batch=2**22)
    found = strategies(enumerate_space(workload, cluster, limits=LIMITS))
    assert max(strategy.passes(workload.global_batch) for strategy in found) <= LIMITS.passes
    assert not any(reason for strategy in found for reason in problems(strategy, workload, cluster))
    assert not any(strategy.dp == 1 and strategy.micro_batch == 1 for strategy in found)


def test_candidates_are_distinct(tiny_workload):
    space = enumerate_space(tiny_workload, build_cluster(4))
    assert len(strategies(space)) == len(space)


def test_key_value_heads_are_divided_or_copied_evenly():
    workload = build_workload(build_network(hidden=384, heads=24, kv_heads=4), global_batch=24)
    space = enumerate_space(workload, build_cluster(1, devices=24))
    assert set(space.tp.tolist()) == {1, 2, 4, 8, 12, 24}


def test_images_have_neither_tensor_nor_context_parallelism():
    from workloads.registry import load_network

    workload = build_workload(load_network("lenet5"), global_batch=64)
    space = enumerate_space(workload, build_cluster(2))
    assert len(space)
    assert space.tp.max() == space.cp.max() == 1
    assert {space.strategy(i).recompute for i in range(len(space))} <= {Recompute.NONE, Recompute.FULL}


def test_hybrid_sharding_stays_inside_a_node(tiny_workload):
    space = enumerate_space(tiny_workload, build_cluster(4, devices=4))
    hybrid = space.shard_degree > 0
    assert hybrid.any()
    assert set((space.shard_degree * space.tp)[hybrid].tolist()) == {4}


def test_nothing_divides_a_batch_of_one(tiny_network):
    workload = build_workload(tiny_network, global_batch=1)
    assert not len(enumerate_space(workload, build_cluster(64, devices=7)))


def test_single_space_holds_the_strategy(tiny_workload):
    strategy = Strategy(dp=2, tp=2, pp=2, micro_batch=2, zero=1, recompute=Recompute.FULL)
    assert single_space(strategy, tiny_workload).strategy(0) == strategy


@pytest.mark.parametrize("number", [1, 7, 12, 36, 1536])
def test_divisors(number):
    assert divisors(number) == [n for n in range(1, number + 1) if number % n == 0]


def test_stack_fixture_is_a_stack(tiny_stack):
    assert build_stack(launch=0.0).launch == 0.0 < tiny_stack.launch
