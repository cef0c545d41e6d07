"""Rules of whole steps, on drawn clusters and strategies."""

from dataclasses import fields, replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from timelines import busy_time, critical_path

from hardware.cluster import Cluster
from simdl.report.timeline_metrics import breakdowns
from simdl.step.simulate import simulate
from simdl.step.strategy import Recompute, Strategy, problems

pytestmark = pytest.mark.property

LAYERS = 8  # a multiple of every number of stages drawn, so that no cut depends on the prices
CASES = settings(max_examples=20, deadline=None)


@st.composite
def clusters(draw):
    return build_cluster(
        draw(st.sampled_from([1, 2, 4])),
        devices=draw(st.sampled_from([2, 3, 4])),  # on nodes of three, groups and stages straddle nodes
        bandwidth=draw(st.floats(1e8, 1e12)),
    )


@st.composite
def questions(draw):
    """A cluster and a strategy that it can carry out."""
    cluster = draw(clusters())
    left = cluster.devices
    degrees = {}
    for name in ("tp", "pp", "cp"):
        degrees[name] = draw(st.sampled_from([d for d in (1, 2, 4) if left % d == 0]))
        left //= degrees[name]
    pipelined = degrees["pp"] > 1
    schedule = draw(st.sampled_from(["1f1b", "gpipe", "interleaved-1f1b"]))
    strategy = Strategy(
        **degrees,
        dp=left,
        micro_batch=draw(st.sampled_from([1, 2])),
        schedule=schedule if pipelined else "1f1b",
        virtual_stages=2 if pipelined and schedule == "interleaved-1f1b" else 1,
        recompute=draw(st.sampled_from(list(Recompute))),
        zero=draw(st.integers(0, 1 if pipelined else 3)),
        sequence_parallel=degrees["tp"] > 1 and draw(st.booleans()),
    )
    assert not list(problems(strategy, workload(strategy), cluster))
    return cluster, strategy


SOFTWARE = st.fixed_dictionaries(
    {
        "attention": st.sampled_from(["unfused", "flash", "flash-causal"]),
        "gradient_overlap": st.booleans(),
        "parameter_overlap": st.booleans(),
        "pipeline_overlap": st.booleans(),
        "scatter_gather": st.booleans(),
        "tensor_overlap": st.none() | st.floats(0, 1),
        "contention": st.floats(0, 0.5),
        "launch": st.floats(0, 2e-5),
        "bucket": st.sampled_from([0.0, 1e5, 1e7]),
        "step_overhead": st.just(0.0),
    }
)


def workload(strategy):
    """Eight micro-batches, a multiple of every number of stages drawn."""
    return build_workload(build_network(LAYERS), global_batch=8 * strategy.dp * strategy.micro_batch)


def step(cluster, strategy, software, **options):
    return simulate(workload(strategy), cluster, strategy, stack=build_stack(**software), **options)


def with_link(cluster, level, **changes) -> Cluster:
    levels = list(cluster.levels)
    levels[level] = replace(levels[level], link=replace(levels[level].link, **changes))
    return Cluster(node=replace(cluster.node, levels=tuple(levels)), count=cluster.count)


def with_device(cluster, **changes) -> Cluster:
    return Cluster(node=replace(cluster.node, device=replace(cluster.device, **changes)), count=cluster.count)


@CASES
@given(questions(), SOFTWARE)
def test_folded_equals_unfolded(question, software):
    folded, unfolded = (step(*question, software, unfolded=flag) for flag in (False, True))
    assert unfolded.report.step_time == pytest.approx(folded.report.step_time, rel=1e-9)


@CASES
@given(questions(), SOFTWARE)
def test_breakdowns_add_up_to_the_step_time(question, software):
    result = step(*question, software)
    for causes in (*breakdowns(result.timeline).values(), result.report.breakdown):
        assert sum(causes.values()) == pytest.approx(result.report.step_time, rel=1e-9)
        assert min(causes.values()) >= 0.0


@CASES
@given(questions(), SOFTWARE)
def test_step_time_is_at_least_the_critical_path_and_the_busiest_stream(question, software):
    timeline = step(*question, software).timeline
    assert timeline.step_time >= critical_path(timeline.program) * (1 - 1e-12)
    for stream in range(len(timeline.program.streams)):
        assert timeline.step_time >= busy_time(timeline, stream) * (1 - 1e-12)


@CASES
@given(questions(), SOFTWARE)
def test_parts_of_every_task_add_up_to_its_duration(question, software):
    for task in step(*question, software).timeline.program.tasks:
        assert sum(seconds for _, seconds in task.parts) == pytest.approx(task.duration, rel=1e-9)


@CASES
@given(questions(), SOFTWARE, st.sampled_from([0, 1]), st.floats(1, 100))
def test_more_bandwidth_is_never_slower(question, software, level, factor):
    cluster, strategy = question
    faster = with_link(cluster, level, bandwidth=cluster.levels[level].link.bandwidth * factor)
    assert _not_slower(faster, cluster, strategy, software)


@CASES
@given(questions(), SOFTWARE, st.sampled_from([0, 1]), st.floats(0, 1))
def test_less_latency_is_never_slower(question, software, level, factor):
    cluster, strategy = question
    faster = with_link(cluster, level, latency=cluster.levels[level].link.latency * factor)
    assert _not_slower(faster, cluster, strategy, software)


@CASES
@given(questions(), SOFTWARE, st.floats(1, 10))
def test_faster_memory_is_never_slower(question, software, factor):
    cluster, strategy = question
    faster = with_device(cluster, memory_bandwidth=cluster.device.memory_bandwidth * factor)
    assert _not_slower(faster, cluster, strategy, software)


@CASES
@given(questions(), SOFTWARE, st.floats(1, 10))
def test_faster_arithmetic_is_never_slower(question, software, factor):
    cluster, strategy = question
    device = cluster.device
    peaks = {name: rate * factor for name, rate in device.peak_flop_rate.items()}
    faster = with_device(cluster, peak_flop_rate=peaks, vector_flop_rate=device.vector_flop_rate * factor)
    assert _not_slower(faster, cluster, strategy, software)


def _not_slower(faster, slower, strategy, software):
    times = [step(cluster, strategy, software).report.step_time for cluster in (faster, slower)]
    return times[0] <= times[1] * (1 + 1e-9)


@CASES
@given(
    questions(), SOFTWARE, st.sampled_from(["launch", "collective_launch", "step_overhead"]), st.floats(0, 1)
)
def test_leaner_software_is_never_slower(question, software, cost, factor):
    full = {"collective_launch": 1e-4, "step_overhead": 1e-2} | software
    lean = full | {cost: full[cost] * factor}
    cluster, strategy = question
    times = [step(cluster, strategy, each).report.step_time for each in (lean, full)]
    assert times[0] <= times[1] * (1 + 1e-9)


@CASES
@given(questions(), SOFTWARE)
def test_memory_parts_add_up_and_recomputation_never_keeps_more(question, software):
    cluster, strategy = question
    reports = [
        step(cluster, replace(strategy, recompute=mode), software).report
        for mode in (Recompute.FULL, Recompute.SELECTIVE, Recompute.NONE)
    ]
    activations = [report.memory["activations"] for report in reports]
    assert activations == sorted(activations)
    for report in reports:
        assert sum(report.memory.values()) == pytest.approx(report.peak_memory, rel=1e-12)


@CASES
@given(questions(), SOFTWARE)
def test_two_simulations_agree(question, software):
    first, second = (step(*question, software).report for _ in range(2))
    assert all(getattr(first, field.name) == getattr(second, field.name) for field in fields(first))
