"""Messages of a step by collective: counts and bytes that can be worked out by hand, and folding."""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from simdl.report.communication import POINT_TO_POINT, message_uses
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

LAYERS, HIDDEN, TOKENS, BATCH = 4, 256, 128, 16


def uses(strategy, **changes):
    found = simulate(build_workload(), build_cluster(), strategy, stack=build_stack(**changes)).report
    return {(use.purpose, use.collective): use for use in found.communication}


@pytest.mark.theory
def test_megatron_sums_twice_per_layer_and_pass():
    """Two all-reduces forward and two backward per decoder layer (Shoeybi et al. 2019, section 3)."""
    found = uses(Strategy(dp=2, tp=4))
    layers = found["tensor parallelism", "all_reduce"]
    microbatches = BATCH // 2
    embedding_and_head = layers.count / microbatches - 4 * LAYERS
    assert layers.count % microbatches == 0
    assert embedding_and_head in {1, 2}
    assert layers.nbytes / layers.count == pytest.approx(2 * HIDDEN * TOKENS)  # bf16


@pytest.mark.theory
def test_a_layer_that_runs_again_sums_again():
    once = uses(Strategy(dp=2, tp=4))["tensor parallelism", "all_reduce"]
    twice = uses(Strategy(dp=2, tp=4, recompute=Recompute.FULL))["tensor parallelism", "all_reduce"]
    assert twice.count - once.count == 2 * LAYERS * BATCH // 2


def test_sequence_parallelism_gathers_and_scatters_instead():
    found = uses(Strategy(dp=2, tp=4, sequence_parallel=True))
    names = {collective for purpose, collective in found if purpose == "tensor parallelism"}
    assert names == {"all_gather", "reduce_scatter"}


@pytest.mark.theory
def test_gradients_of_data_parallelism_are_all_parameters_once():
    found = uses(Strategy(dp=8), gradient_overlap=False, gradient_size=2)
    assert set(found) == {("reduce gradients", "all_reduce")}
    use = found["reduce gradients", "all_reduce"]
    assert (use.count, use.nbytes) == (1, 2 * build_network().parameters)


def test_sharding_changes_the_collectives():
    found = uses(Strategy(dp=8, zero=3))
    assert {("reduce gradients", "reduce_scatter"), ("gather parameters", "all_gather")} == set(found)


@pytest.mark.theory
def test_a_pipeline_sends_every_microbatch_both_ways():
    found = uses(Strategy(dp=4, pp=2))
    forward, backward = found["send activation", POINT_TO_POINT], found["send gradient", POINT_TO_POINT]
    microbatches = BATCH // 4
    assert forward.count == backward.count == microbatches / 2  # one of two ranks sends on
    assert forward.nbytes / forward.count == 2 * HIDDEN * TOKENS


@pytest.mark.theory
def test_keys_and_values_go_round_the_ring():
    found = uses(Strategy(dp=2, cp=4))["context parallelism", POINT_TO_POINT]
    assert found.count == 3 * 2 * LAYERS * BATCH / 2  # cp - 1 transfers, forward and backward


@pytest.mark.parametrize(
    "degrees", [{"dp": 2, "tp": 2, "pp": 2}, {"dp": 8, "zero": 3}, {"dp": 4, "pp": 2, "zero": 1}]
)
def test_folded_and_unfolded_ranks_send_the_same(degrees):
    strategy, workload, cluster, stack = Strategy(**degrees), build_workload(), build_cluster(), build_stack()
    step = step_cost(workload, strategy, price(workload, cluster, stack=stack))
    folded, unfolded = (
        message_uses(step, simulate(workload, cluster, strategy, stack=stack, unfolded=flag).timeline)
        for flag in (False, True)
    )
    assert [(use.purpose, use.collective) for use in folded] == [
        (use.purpose, use.collective) for use in unfolded
    ]
    for one, every in zip(folded, unfolded, strict=True):
        assert (every.count, every.nbytes, every.seconds) == pytest.approx(
            (one.count, one.nbytes, one.seconds)
        )


def test_one_device_sends_nothing():
    report = simulate(build_workload(), build_cluster(1, devices=1), Strategy(), stack=build_stack()).report
    assert report.communication == ()
