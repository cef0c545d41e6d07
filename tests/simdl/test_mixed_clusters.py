"""Mixed clusters: ranks of unlike nodes in one step."""

from dataclasses import replace

import pytest

from hardware.errors import HardwareError
from hardware.profiles import load_cluster, load_mixed_cluster
from planner.questions.question import Options, load_question
from planner.search.mixed import plan_mixed
from simdl.errors import SimdlError, StrategyError
from simdl.program.unfolding import Slice, at_replicas
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

MIXED = "dgx-a100:2,dgx-h100:2"
DATA = Strategy(dp=8, tp=4, zero=1, sequence_parallel=True)
PIPELINE = Strategy(dp=4, tp=4, pp=2, micro_batch=2, zero=1, sequence_parallel=True)


def step(cluster, strategy, *, model="gpt3-1.3b", batch=128, **options):
    question = load_question(
        Options(model=model, cluster=cluster, global_batch=batch, stack="megatron-2022", seq_len=2048)
    )
    return simulate(question.workload, question.cluster, strategy, stack=question.stack, **options)


def test_ranks_of_all_parts_follow_each_other():
    cluster = load_mixed_cluster("dgx-a100:2, dgx-h100:3")
    assert (cluster.devices, cluster.name) == (40, "dgx-a100:2,dgx-h100:3")
    assert [part.device.name for part in cluster.parts] == ["a100-sxm-80gb", "h100-sxm-80gb"]


@pytest.mark.parametrize("strategy", [DATA, replace(PIPELINE, stages=(13, 13))])
@pytest.mark.theory
def test_equal_parts_are_one_cluster(strategy):
    """Two halves of one kind take what the whole takes, to rounding."""
    halves = step("dgx-a100:2,dgx-a100:2", strategy).report
    whole = step("dgx-a100:4", strategy).report
    assert halves.step_time == pytest.approx(whole.step_time, rel=1e-12)
    assert halves.mfu == pytest.approx(whole.mfu, rel=1e-12)


@pytest.mark.theory
def test_synchronous_replicas_wait_for_the_slowest_node():
    assert step(MIXED, DATA).report.step_time == pytest.approx(
        step("dgx-a100:4", DATA).report.step_time, rel=1e-3
    )


@pytest.mark.theory
def test_order_of_the_parts_does_not_matter_to_replicas():
    one, other = (step(cluster, DATA).report.step_time for cluster in (MIXED, "dgx-h100:2,dgx-a100:2"))
    assert one == pytest.approx(other, rel=1e-9)


def test_stages_are_cut_for_the_nodes_that_hold_them():
    """The faster nodes hold more blocks, and the step lies between those of either kind alone."""
    report = step(MIXED, PIPELINE).report
    first, second = report.strategy.stages
    assert second > 1.5 * first
    slow, fast = (step(name, PIPELINE).report.step_time for name in ("dgx-a100:4", "dgx-h100:4"))
    assert fast < report.step_time < 0.8 * slow
    even = step(MIXED, replace(PIPELINE, stages=(13, 13))).report
    assert report.step_time < even.step_time


def test_uneven_shares_take_less_than_even_ones():
    report = step(MIXED, replace(DATA, shares=(11, 21))).report
    assert report.feasible
    assert report.step_time < 0.8 * step(MIXED, DATA).report.step_time
    assert report.samples_per_s * report.step_time == pytest.approx(128)


@pytest.mark.property
@pytest.mark.parametrize("strategy", [replace(DATA, shares=(11, 21)), PIPELINE])
def test_every_rank_by_itself_gives_the_same(strategy):
    small = {"dgx-a100:1,dgx-h100:1": {"dp": strategy.dp // 2}}
    for cluster, change in small.items():
        asked = replace(strategy, **change)
        folded = step(cluster, asked, batch=64).report.step_time
        assert step(cluster, asked, batch=64, unfolded=True).report.step_time == pytest.approx(
            folded, rel=1e-9
        )


def test_causes_add_up_to_the_step():
    report = step(MIXED, PIPELINE).report
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time, rel=1e-9)


def test_replicas_across_a_border_are_set_apart():
    assert at_replicas([12], replicas=4, lanes=8) == [Slice(0, 0, 8), Slice(1, 8, 8), Slice(2, 16, 16)]
    assert at_replicas([16], replicas=4, lanes=8) == [Slice(0, 0, 16), Slice(1, 16, 16)]


def test_messages_within_passes_load_links_of_the_mixed_cluster():
    """Tensor parallelism across nodes beside a pipeline from one kind to the other."""
    across = Strategy(dp=1, tp=16, pp=2, micro_batch=2, stages=(13, 13))
    found = step("dgx-a100:2,dgx-h100:2", across, batch=4).report.step_time
    halves = step("dgx-a100:2,dgx-a100:2", across, batch=4).report.step_time
    assert found < halves == pytest.approx(step("dgx-a100:4", across, batch=4).report.step_time, rel=1e-12)


def test_a_replica_on_two_kinds_of_node_is_as_fast_as_the_slower():
    question = load_question(
        Options(model="gpt3-1.3b", cluster="dgx-a100:1,dgx-h100:1", global_batch=8, seq_len=512)
    )
    whole = Strategy(dp=1, tp=16)
    found = simulate(question.workload, question.cluster, whole, stack=question.stack).report.step_time
    slow = simulate(
        question.workload, load_cluster("dgx-a100:2"), whole, stack=question.stack
    ).report.step_time
    assert found >= slow * (1 - 1e-9)


@pytest.mark.parametrize(
    ("cluster", "strategy", "message"),
    [
        ("dgx-a100:4", replace(DATA, shares=(11, 21)), "whose nodes are alike; expected none"),
        (
            MIXED,
            replace(DATA, shares=(11, 21, 3)),
            r"found 3 for .*; expected one for each of its 2 node types",
        ),
        (MIXED, replace(DATA, shares=(11, 20)), r"124 samples in all; expected at least 1 each.*128 in all"),
        (MIXED, replace(PIPELINE, shares=(16, 16)), "expected pp 1 and zero 0 or 1"),
    ],
)
def test_shares_that_cannot_be(cluster, strategy, message):
    with pytest.raises(StrategyError, match=message):
        step(cluster, strategy)


def test_unlike_numbers_of_devices_are_refused():
    with pytest.raises(HardwareError, match="found nodes of 8 and of 16 devices; expected as many in each"):
        load_mixed_cluster("dgx-a100:1,dgx-2:1")


def test_what_takes_one_node_type_refuses_several():
    with pytest.raises(HardwareError, match="found 2 node types; expected one here"):
        load_cluster(MIXED)
    question = load_question(Options(model="gpt3-1.3b", cluster=MIXED))
    with pytest.raises(SimdlError, match="found 2 node types; expected one here"):
        price(question.workload, question.cluster, stack=question.stack)


@pytest.fixture(scope="module")
def small():
    return load_question(Options(model="resnet18", cluster="dgx-a100:1,dgx-h100:1", global_batch=64))


def test_plans_use_both_kinds_and_are_certified(small):
    even, uneven = (
        plan_mixed(small.workload, small.cluster, stack=small.stack, uneven=flag) for flag in (False, True)
    )
    for result in (even, uneven):
        times = [plan.report.step_time for plan in result.plans]
        assert times == sorted(times)
        assert result.certified
        assert all(plan.bound <= plan.report.step_time * (1 + 1e-9) for plan in result.plans)
    assert "cuts into stages that network and nodes decide" in even.certified_over
    assert "shares that their kinds of node are done with together" in uneven.certified_over
    assert uneven.candidates > even.candidates
    for result in (even, uneven):
        assert any(" rather than " in sentence for sentence in result.why)
    if uneven.plans[0].report.strategy.shares:
        assert uneven.why[0].startswith("microbatches of replicas ")
    assert uneven.plans[0].report.step_time <= even.plans[0].report.step_time


def test_plans_that_stop_early_are_not_certified(small):
    result = plan_mixed(small.workload, small.cluster, stack=small.stack, max_simulations=2)
    assert (result.certified, result.simulated) == (False, 2)
