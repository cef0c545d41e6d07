"""Scaling curves: where data parallelism stops paying, and the study on 2,048 P40s."""

from dataclasses import replace

import pytest

from hardware.profiles import load_cluster
from planner.pages.figures.scaling import efficiency_figure, throughput_figure
from planner.questions.question import Options, load_question
from planner.questions.scaling import curve_json, scaling_sentence
from planner.scaling.curves import node_counts, scale
from planner.scaling.data_parallel import simulate_data_parallel
from simdl.errors import SimdlError
from simdl.software.reader import load_stack
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy


def curve(model, node, counts, mode, **options):
    question = load_question(Options(model=model, cluster=f"{node}:{counts[0]}", **options))
    clusters = [load_cluster(f"{node}:{count}") for count in counts]
    return scale(question.workload, clusters, stack=question.stack, mode=mode)


def test_counts_double_up_to_the_last():
    assert node_counts(1, 1) == (1,)
    assert node_counts(1, 8) == (1, 2, 4, 8)
    assert node_counts(3, 20) == (3, 6, 12, 20)
    for first, last in ((0, 4), (4, 1)):
        with pytest.raises(SimdlError, match="expected a range"):
            node_counts(first, last)


def test_weak_scaling_keeps_samples_of_a_device_and_strong_those_of_a_step():
    weak = curve("resnet50", "dgx-1-v100", (1, 2, 4), "weak")
    assert [point.global_batch for point in weak.points] == [512, 1024, 2048]
    strong = curve("resnet50", "dgx-1-v100", (1, 2, 4), "strong")
    assert {point.global_batch for point in strong.points} == {512}
    assert weak.points[0].samples_per_s == strong.points[0].samples_per_s
    assert all(w.efficiency > s.efficiency for w, s in zip(weak.points[1:], strong.points[1:], strict=True))


@pytest.mark.parametrize("model", ["resnet50", "gpt2"])
def test_a_point_is_the_strategy_that_simulate_runs(model):
    question = load_question(Options(model=model, cluster="dgx-1-v100:1", global_batch=64))
    (point,) = scale(question.workload, [question.cluster], stack=question.stack, mode="weak").points
    steps = {
        simulate(
            question.workload, question.cluster, Strategy(dp=8, micro_batch=size), stack=question.stack
        ).report.step_time
        for size in (1, 2, 4, 8)
    }
    assert point.step_time in steps


def test_efficiency_and_gain_of_a_point():
    first, second, *_ = curve("resnet50", "dgx-1-v100", (1, 2), "weak").points
    assert first.efficiency == 1
    assert first.gain is None
    assert second.efficiency == pytest.approx(second.samples_per_s / first.samples_per_s / 2)
    assert second.gain == pytest.approx(second.samples_per_s / first.samples_per_s - 1)
    assert sum(second.breakdown.values()) == pytest.approx(second.step_time)


def test_gradients_stop_a_network_of_many_parameters():
    found = curve("alexnet", "dgx-1-v100", (1, 2, 4), "strong", global_batch=256)
    assert found.stops_at == 16
    assert found.stopped_by.startswith("communication: gradients")


def test_small_parts_of_a_batch_stop_a_network_of_little_communication():
    found = curve("resnet50", "dgx-1-v100", (1, 2, 4, 8, 16, 32, 64), "strong")
    assert found.stops_at is not None
    assert found.stopped_by.split(":")[0] in {"kernels", "launching", "overhead"}


def test_samples_and_memory_end_a_curve():
    few = curve("resnet50", "dgx-1-v100", (1, 2), "strong", global_batch=8)
    assert (few.stops_at, few.stopped_by) == (16, "global batch 8 on 16 devices: fewer samples than devices")
    big = curve("gpt3-6.7b", "dgx-a100", (1, 2), "weak", global_batch=8)
    assert big.stops_at == 8
    assert big.stopped_by.startswith("does not fit in memory of a device: needs")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((1, 2, 4, 8, 16), 16), ((8, 16), 128), ((1, 2), 16)],
    ids=["stops", "late", "pays"],
)
def test_the_sentence_names_the_largest_cluster_that_pays(counts, expected):
    """Not the largest of all, on which a step may take as long as on half of it."""
    found = curve("resnet50", "dgx-1-v100", counts, "strong")
    question = load_question(Options(model="resnet50", cluster=f"dgx-1-v100:{counts[0]}"))
    said = scaling_sentence(question, found, "resnet50")
    assert said.startswith(f"Run resnet50 with data parallelism (dp) {expected} on as many devices")


def test_points_that_do_not_fit_are_drawn_as_such():
    big = curve("gpt3-6.7b", "dgx-a100", (1, 2), "weak", global_batch=8)
    drawn = {trace.name: trace for trace in throughput_figure(curve_json(big)["points"], "sequence").data}
    assert list(drawn["data parallel"].x) == []
    assert list(drawn["does not fit in memory"].x) == [8, 16]
    assert list(efficiency_figure(curve_json(big)["points"]).data[0].x) == []


def test_bad_modes_and_no_clusters_are_refused():
    question = load_question(Options(model="resnet50", cluster="dgx-1-v100:1"))
    with pytest.raises(SimdlError, match="expected weak or strong"):
        scale(question.workload, [], stack=question.stack, mode="weak")
    with pytest.raises(SimdlError, match="expected weak or strong"):
        scale(question.workload, [question.cluster], stack=question.stack, mode="wide")


@pytest.mark.parametrize("launch", [8e-6, 60e-6])
def test_splitting_layers_goes_on_where_data_parallelism_stops(launch):
    """A host that takes 60 us a kernel bounds split layers: more devices bring them nothing more."""
    question = load_question(Options(model="alexnet", cluster="dgx-1-v100:1", global_batch=256))
    clusters = [load_cluster(f"dgx-1-v100:{count}") for count in (1, 2, 4)]
    stack = replace(question.stack, launch=launch)
    found = scale(question.workload, clusters, stack=stack, mode="strong", split_layers=True)
    rates = [point.split_layers for point in found.points]
    if launch < 10e-6:
        assert rates == sorted(rates)
    assert all(point.split_layers > point.samples_per_s for point in found.points)
    assert min(rates) > 0.95 * rates[0]
    assert rates[-1] > 1.5 * found.points[-1].samples_per_s


FUSED = {"bucket": 4e6, "gradient_algorithm": "hierarchical"}
BARE = {"bucket": 0.0, "gradient_algorithm": "ring"}


def images_per_second(devices, global_batch, changes):
    """ResNet-50 with half-precision tensors on P40s with 100 Gb/s (Jia et al. 2018, arXiv:1807.11205)."""
    question = load_question(
        Options(
            model="resnet50-v1.5",
            cluster=f"p40-roce100:{devices // 8}",
            global_batch=global_batch,
            precision="fp16-storage",
        )
    )
    stack = replace(load_stack("tensorflow-horovod-fp32"), **changes)
    pricing = price(question.workload, question.cluster, stack=stack)
    return global_batch / simulate_data_parallel(question.workload, pricing).step_time


def weak_efficiency(devices, changes):
    base = images_per_second(8, 8 * 64, changes) / 8
    return images_per_second(devices, devices * 64, changes) / devices / base


@pytest.mark.published
def test_p40s_train_as_efficiently_as_printed_up_to_1024_of_them():
    """Printed: 99 % of a node of eight on 1,024; held within 3 points; docs/p40-study.md.

    Without fusion and hierarchy the paper says the system is up to 11 times slower with NCCL of its time.
    """
    fused, bare = weak_efficiency(1024, FUSED), weak_efficiency(1024, BARE)
    assert fused == pytest.approx(0.99, abs=0.03)
    assert 1 / 11 < bare < 0.9
    assert weak_efficiency(1024, {**FUSED, "bucket": 0.0}) < fused
    assert weak_efficiency(1024, {**BARE, "bucket": 4e6}) > bare


@pytest.mark.golden
@pytest.mark.parametrize(
    ("devices", "global_batch", "printed", "reached"),
    [(8, 512, 218, 197.6), (1024, 65_536, 215.8, 192.3), (2048, 65_536, 142.2, 154.6)],
)
def test_p40s_train_as_fast_as_reached(devices, global_batch, printed, reached):
    """Images/s a device. Reached was 217 in a node until convolutions got one speed for each device.

    That of a P40 is the mean of six others, so the 9 % that are missing are left: no constant serves this
    study alone. Printed are 218, 99 % of it, and 90 epochs in 6.6 minutes (docs/p40-study.md).
    """
    rate = images_per_second(devices, global_batch, FUSED) / devices
    assert rate == pytest.approx(reached, rel=0.05)
    assert rate == pytest.approx(printed, rel=0.15)


@pytest.mark.golden
def test_2048_p40s_at_a_fixed_batch():
    """Reached: 1.61 times as fast as 1,024; printed: 1.18 (6.6 of 7.8 minutes), or 1.32 against 218 a device.

    It was 1.51 until convolutions got one speed for each device.
    A step on 2,048 is 207 ms long here and 225 ms by the printed minutes: 18 ms (8 %) are unexplained
    (docs/p40-study.md). A change of more than 5 % needs a reason.
    """
    before, after = (images_per_second(devices, 65_536, FUSED) for devices in (1024, 2048))
    assert after / before == pytest.approx(1.608, rel=0.05)
    step = 65_536 / after
    assert step == pytest.approx(0.207, rel=0.05)
    printed = 6.6 * 60 / (90 * 1_281_167 / 65_536)
    assert printed - step == pytest.approx(0.018, abs=0.01)


@pytest.mark.theory
def test_stragglers_do_not_explain_what_2048_p40s_leave():
    """What would explain 18 ms at 2,048 would cost 1,024 more than the printed efficiency of 99 % leaves."""
    negotiated, free = (
        65_536 / images_per_second(2048, 65_536, {**FUSED, "negotiation": each}) for each in (3e-7, 0.0)
    )
    assert 0.005 < negotiated - free < 0.015  # and none of it at 1,024, where the backward pass is longer
    # an exponential tail of mean m adds H(n) m to the slowest of n: 18 ms at 2,048 are 16 ms at 1,024
    harmonic = [sum(1 / k for k in range(1, n + 1)) for n in (1024, 2048)]
    at_1024 = 0.018 * harmonic[0] / harmonic[1]
    step = 64 * 8 / images_per_second(8, 8 * 64, FUSED)
    assert step / (step + at_1024) < 0.955
