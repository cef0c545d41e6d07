"""Intervals and what seconds rest on."""

import json
from math import exp, log, sqrt

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hardware.attention_kernels import kernel_numbers
from hardware.profiles import load_cluster, load_device
from planner.commands.simulate import simulate as simulate_command
from simdl.report.certainty import (
    CAUSES,
    EVIDENCE,
    SPREAD_CAUSES,
    degrees,
    evidence_seconds,
    factors,
    kind_of,
    knowledge_of,
    spreads,
    step_interval,
)
from simdl.software.reader import load_stack
from workloads.registry import load_network

LEVELS = ("measured", "fitted", "prior", "unknown")
BREAKDOWNS = st.dictionaries(
    st.sampled_from([name for names in CAUSES.values() for name in names]),
    st.floats(1e-6, 1e3),
    min_size=1,
)


@pytest.mark.theory
def test_an_interval_of_one_cause_is_the_quantile_of_its_spread():
    spread = spreads()["fitted"]
    interval = step_interval(1.0, {"forward": 1.0}, "fitted", kind="other networks")
    sigma = factors()["other networks"] * sqrt(spread["common"] ** 2 + spread["kernels"] ** 2)
    assert log(interval.high) == pytest.approx(1.6448536 * sigma)
    assert interval.low * interval.high == pytest.approx(1.0)


@given(BREAKDOWNS, st.sampled_from(LEVELS))
@pytest.mark.property
def test_intervals_hold_the_prediction_and_widen_with_level_and_ignorance(breakdown, knowledge):
    time = sum(breakdown.values())
    narrow, wide = (
        step_interval(time, breakdown, knowledge, kind="language models", level=level) for level in (0.5, 0.9)
    )
    assert wide.low < narrow.low < time < narrow.high < wide.high
    widths = [step_interval(time, breakdown, each, kind="language models").high for each in LEVELS]
    assert widths == sorted(widths)


def test_a_calibrated_machine_is_known_best_and_an_assumed_stack_least():
    assert knowledge_of(load_stack("mosaic-fsdp"), load_device("a100-sxm-80gb")) == "fitted"
    assert knowledge_of(load_stack("pytorch-fsdp"), load_device("a100-sxm-80gb")) == "prior"
    assert knowledge_of(load_stack("megatron-2021"), load_device("v100-sxm2-16gb")) == "unknown"


def test_a_relatives_numbers_are_a_prior_and_a_device_that_nobody_timed_is_unknown():
    assert knowledge_of(load_stack("torchtitan"), load_device("a100-sxm-80gb")) == "fitted"
    assert knowledge_of(load_stack("torchtune"), load_device("a100-sxm-80gb")) == "prior"
    assert knowledge_of(load_stack("neuron"), load_device("trainium1-core")) == "unknown"


def test_decoders_are_language_models_and_encoders_and_images_are_not():
    kinds = {name: kind_of(load_network(name)) for name in ("gpt2", "bert-base", "resnet18", "vit-b16")}
    assert [name for name, kind in kinds.items() if kind == "language models"] == ["gpt2"]
    assert set(kinds.values()) == set(factors())


def test_seconds_by_evidence_add_up_to_the_step_and_name_the_weakest_number():
    cluster, stack = load_cluster("dgx-a100:2"), load_stack("megatron-2021")
    numbers = (*cluster.device.numbers, *cluster.levels[0].link.numbers)
    breakdown = {"forward": 1.0, "backward": 2.0, "launch": 0.5, "bubble": 0.5}
    found = evidence_seconds(breakdown, {"matmul": 3.0}, stack, numbers)
    assert sum(found.values()) == pytest.approx(4.0)
    assert set(found) == set(EVIDENCE)
    assert found["assumed"] >= 0.5  # the launch cost of this stack


def test_the_answer_has_interval_and_evidence():
    arguments = ["gpt2", "--cluster", "dgx-a100:1", "--dp", "8", "--micro-batch", "4"]
    result = CliRunner().invoke(simulate_command, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    interval = answer["interval"]
    assert interval["low"] < answer["step_time"] < interval["high"]
    assert sum(answer["provenance"]["seconds"].values()) == pytest.approx(answer["step_time"])
    shown = CliRunner().invoke(simulate_command, arguments).stdout
    assert "90 % interval" in shown
    assert "seconds resting on" in shown


def test_spreads_grow_with_ignorance_for_every_cause():
    for cause in ("common", *SPREAD_CAUSES):
        values = [spreads()[knowledge][cause] for knowledge in LEVELS]
        assert values == sorted(values)
        assert 0 < values[0] < exp(1)
        assert degrees()["fitted"][cause] == 1


def test_attention_rests_on_the_numbers_of_its_algorithm_where_they_price_it():
    device, stack = load_device("h100-sxm-80gb"), load_stack("megatron-2021")
    timed = kernel_numbers("flash-3", device.attention_kernels["flash-3"])
    assert {number.path.rpartition(".")[2] for number in timed} == {"softmax", "ramp", "hopper"}
    breakdown = {"forward": 1.0}

    def kind(numbers):
        found = evidence_seconds(breakdown, {"attention": 1.0}, stack, device.numbers, attention=numbers)
        return max(found, key=found.get)

    assert kind(timed) == "fitted"
    assert kind(()) == "derived"  # the device's own backward share
    assert kernel_numbers("device", device.attention_kernels["flash-2"]) == ()
