"""Plans as a whole: ranking, reasons, explanations, defaults."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from hardware.profiles import load_cluster
from planner.console.format import format_strategy
from planner.questions.question import Options, default_global_batch, default_precision, load_question
from planner.search.plan import certified_over, plan
from planner.space.candidates import Limits, enumerate_space
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Recompute, Strategy
from workloads.registry import load_network


def test_plans_are_ranked_and_their_reports_are_the_simulators():
    workload, cluster, stack = build_workload(), build_cluster(1), build_stack()
    result = plan(workload, cluster, stack=stack, top=4)
    times = [found.report.step_time for found in result.plans]
    assert times == sorted(times)
    assert len(times) == 4
    assert result.certified
    assert result.simulated <= result.feasible <= result.candidates
    for found in result.plans:
        again = simulate(workload, cluster, found.report.strategy, stack=stack).report
        assert again.step_time == found.report.step_time
        assert found.bound <= found.report.step_time * (1 + 1e-9)
        assert found.report.feasible


def test_explanations_name_both_choices_and_where_the_seconds_go():
    result = plan(build_workload(), build_cluster(1), stack=build_stack(), top=1)
    assert result.why
    for sentence in result.why:
        assert " rather than " in sentence
        assert "slower (" in sentence or "no faster (" in sentence


def test_the_place_of_experts_is_explained_though_the_planner_is_told_nothing_of_it():
    workload = build_workload(network=load_network("moe-mini"), global_batch=32)
    result = plan(workload, load_cluster("dgx-h100:2"), stack=load_stack("nemo-2024"), top=1)
    assert result.plans[0].report.strategy.ep == 8
    assert any("experts within a node rather than across nodes" in each for each in result.why)


def test_nothing_fits_is_an_answer_with_reasons():
    result = plan(build_workload(), build_cluster(1, memory_capacity=1.65e9), stack=build_stack())
    assert result.plans == result.why == ()
    assert result.feasible == 0 < result.candidates
    assert any("short (needs" in reason for reason in result.reasons)
    assert "no candidate fits" in result.reasons[-1]


def test_nothing_divides_is_an_answer_with_reasons(tiny_network):
    workload = build_workload(tiny_network, global_batch=1)
    result = plan(workload, build_cluster(8, devices=7), stack=build_stack())
    assert result.candidates == 0
    assert "global batch 1" in result.reasons[0]


def test_an_uneven_network_gets_a_cut_of_its_own():
    """One device is too small for the whole network, and its head is heavy."""
    workload = build_workload(build_network(8, vocab=200_000), global_batch=16)
    result = plan(workload, build_cluster(1, devices=2, memory_capacity=3.4e9), stack=build_stack(), top=3)
    assert result.plans
    best = result.plans[0].report
    assert best.feasible
    assert [p.report.step_time for p in result.plans] == sorted(p.report.step_time for p in result.plans)


@pytest.mark.parametrize(
    ("model", "batch"), [("gpt3-175b", 1536), ("megatron-1t", 3072), ("llama3.1-70b", 512), ("gpt2", 512)]
)
def test_published_global_batches(model, batch):
    found, reason = default_global_batch(load_network(model), build_cluster(1))
    assert found == batch
    assert "published" in reason


def test_other_global_batches_follow_the_devices():
    assert default_global_batch(load_network("resnet50"), build_cluster(2)) == (512, "64 images per device")
    assert default_global_batch(build_network(), build_cluster(2)) == (64, "8 sequences per device")


def test_default_precision_is_what_the_device_has():
    assert default_precision(build_cluster().device) == "bf16"


def test_everything_assumed_is_said():
    question = load_question(Options(model="resnet50", cluster="dgx-1-v100:1"))
    said = " ".join(question.assumptions)
    assert all(word in said for word in ("global batch", "precision fp16", "optimizer momentum", "stack"))
    given = Options(
        model="resnet50",
        cluster="dgx-1-v100:1",
        global_batch=256,
        precision="fp32",
        optimizer="sgd",
        stack="pytorch-ngc",
    )
    assert load_question(given).assumptions == ()


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (Strategy(), "one device mb 1"),
        (Strategy(dp=8, zero=3, shard_degree=4), "dp 8 mb 1 ZeRO-3/4"),
        (
            Strategy(pp=4, schedule="interleaved-1f1b", virtual_stages=2, recompute=Recompute.FULL),
            "pp 4 mb 1 interleaved x2 recompute full",
        ),
        (Strategy(pp=2, schedule="gpipe", stages=(3, 5)), "pp 2 mb 1 gpipe cut 3-5"),
    ],
)
def test_strategies_on_one_line(strategy, text):
    assert format_strategy(strategy) == text


def test_progress_counts_search_and_cuts_as_one_piece_of_work():
    calls = []
    workload, cluster, stack = build_workload(), build_cluster(1), build_stack()
    plan(workload, cluster, stack=stack, top=3, progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert all(done < total for done, total in calls[:-1])
    assert calls[-1][0] == calls[-1][1]


def test_steps_too_long_to_simulate_by_the_dozen_are_left_out_and_counted():
    workload = build_workload(global_batch=2**21)
    result = plan(workload, build_cluster(2), stack=build_stack(), top=1, max_simulations=1)
    assert result.plans
    passes = result.plans[0].report.strategy.passes(workload.global_batch)
    assert passes <= Limits().passes
    assert any("strategies of more than 200,000 passes a step" in reason for reason in result.reasons)
    few = plan(build_workload(), build_cluster(2), stack=build_stack(), top=1, max_simulations=1)
    assert not any("left out" in reason for reason in few.reasons)


def test_a_plan_says_over_what_it_is_certified():
    question = load_question(Options(model="resnet50", cluster="dgx-1-v100:8", global_batch=32))
    result = plan(question.workload, question.cluster, stack=question.stack)
    assert result.certified
    assert result.certified_over == (
        "92 candidates, each with the fastest of up to 17 cuts into stages that the network alone decides"
    )
    best = result.plans[0].report
    assert (best.strategy.dp, best.strategy.pp) == (32, 2)
    for first in range(1, 18):
        other = replace(best.strategy, stages=(first, 18 - first))
        simulated = simulate(question.workload, question.cluster, other, stack=question.stack)
        assert simulated.report.step_time >= best.step_time


def test_transformers_that_divide_have_one_cut():
    network = build_network(8)
    space = enumerate_space(build_workload(network), build_cluster(1))
    assert certified_over(space, network).endswith(
        "each with the one cut into stages that the network decides"
    )
