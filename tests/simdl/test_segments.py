"""Passes split so that communication runs beside computation."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_stack, build_workload
from gradient_times import gather_time, reduce_time
from hypothesis import given, settings
from hypothesis import strategies as st
from uniform import uniform_layer

from simdl.communication import Group
from simdl.engine.run import run
from simdl.kernels.pricing import Work
from simdl.pipelines.passes import Overlap, Pass, PassKind
from simdl.program.action import Cause
from simdl.report.timeline_metrics import breakdown
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import GradientShare, merged_shares
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.segments import Segmentation, buckets, filled_buckets, segment_ends
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from workloads.network import Block, Network

SIZES = (1_000_000, 2_000_000, 3_000_000, 4_000_000)
BYTES = 2  # of a gradient element in the stack of these tests
F, B, INPUT, WEIGHT = (Pass(kind, 0, 0) for kind in PassKind)


def growing_network():
    """Four blocks, each with more parameters than the one before."""
    blocks = tuple(
        Block(name=f"b{size}", layers=(uniform_layer(parameters=size, outputs=10),)) for size in SIZES
    )
    return Network(name="growing", blocks=blocks, source="test", sample="image")


def segmented(strategy, *, global_batch=16, **stack):
    workload = build_workload(growing_network(), global_batch=global_batch)
    changes = {"gradient_overlap": True, "parameter_overlap": True, "bucket": 0.0} | stack
    pricing = price(workload, build_cluster(strategy.devices, devices=1), stack=build_stack(**changes))
    step = step_cost(workload, strategy, pricing)
    return step, Segmentation(step)


@pytest.mark.property
@settings(deadline=None)
@given(st.lists(st.integers(1, 100), max_size=30), st.integers(0, 200))
def test_buckets_hold_every_gradient_once_and_fill(sizes, bucket):
    parts = buckets(sizes, bucket)
    assert [size for part in parts for size in sizes[part]] == sizes
    for part in parts[:-1]:
        assert sum(sizes[part]) >= bucket
        assert sum(sizes[part][:-1]) < bucket or len(sizes[part]) == 1


def test_gradients_of_the_last_block_are_reduced_first():
    strategy = Strategy(dp=4)
    step, segmentation = segmented(strategy)
    segments = segmentation.segments(B, first=False, last=True)
    expected = [reduce_time(size, strategy, step.pricing) for size in reversed(SIZES)]
    assert [segment.reduce for segment in segments] == pytest.approx(expected)
    whole = step.pass_cost(((B.kind, 0),)).duration
    assert sum(segment.cost.duration for segment in segments) == pytest.approx(whole)


def test_a_bucket_takes_as_many_blocks_as_fill_it():
    strategy = Strategy(dp=4)
    step, segmentation = segmented(strategy, bucket=4_000_000.0 * BYTES)
    segments = segmentation.segments(B, first=False, last=True)
    expected = [reduce_time(size, strategy, step.pricing) for size in (4_000_000, 5_000_000, 1_000_000)]
    assert [segment.reduce for segment in segments] == pytest.approx(expected)


def test_only_the_last_backward_pass_is_split():
    _, segmentation = segmented(Strategy(dp=4, pp=2))
    assert segmentation.segments(B, first=False, last=True) is not None
    assert segmentation.segments(B, first=False, last=False) is None
    assert segmentation.segments(F, first=True, last=False) is None


@pytest.mark.parametrize(("schedule", "final"), [("1f1b", 3), ("gpipe", 0)])
def test_the_pass_that_completes_the_gradients_is_that_of_the_order(schedule, final):
    step, _ = segmented(Strategy(dp=4, pp=2, schedule=schedule))
    reductions = [task for task in lower(step).tasks if task.name == "reduce gradients"]
    assert {task.microbatch for task in reductions} == {final}


def test_gradients_that_two_passes_make_are_complete_with_the_second():
    _, segmentation = segmented(Strategy(dp=4, pp=2, schedule="zb-h1"))
    assert segmentation.segments(INPUT, first=False, last=True) is None
    segments = segmentation.segments(WEIGHT, first=False, last=True)
    assert all(segment.reduce > 0 for segment in segments)


def test_passes_that_run_interleaved_stay_one_task():
    _, segmentation = segmented(Strategy(dp=4, pp=2))
    (segment,) = segmentation.segments(Overlap(F, B), first=True, last=True)
    assert segment.reduce > 0 == segment.gather


def test_nothing_is_split_where_nothing_overlaps():
    for strategy, stack in ((Strategy(dp=4), {"gradient_overlap": False}), (Strategy(pp=2), {})):
        _, segmentation = segmented(strategy, **stack)
        assert all(segmentation.segments(one, first=True, last=True) is None for one in (F, B))


def test_zero_1_gathers_updated_parameters_beside_the_first_forward_pass():
    strategy = Strategy(dp=4, zero=1)
    step, segmentation = segmented(strategy)
    first = segmentation.segments(F, first=True, last=False)
    expected = [gather_time(size, strategy, step.pricing) for size in SIZES]
    assert [segment.gather for segment in first] == pytest.approx(expected)
    assert segmentation.segments(F, first=False, last=False) is None
    serial = segmented(strategy, parameter_overlap=False)[1]
    assert serial.segments(F, first=True, last=False) is None


def test_zero_3_gathers_in_every_pass_and_reduces_in_every_backward_pass():
    strategy = Strategy(dp=4, zero=3)
    step, segmentation = segmented(strategy)
    gathers = [gather_time(size, strategy, step.pricing) for size in SIZES]
    for end in (True, False):
        forward = segmentation.segments(F, first=end, last=False)
        backward = segmentation.segments(B, first=False, last=end)
        assert [segment.gather for segment in forward] == pytest.approx(gathers)
        assert [segment.gather for segment in backward] == pytest.approx(gathers[::-1])
        assert all(segment.reduce == 0 for segment in forward)
        assert all(segment.reduce > 0 for segment in backward)


def test_hybrid_sharding_sums_across_copies_in_the_last_microbatch_only():
    _, segmentation = segmented(Strategy(dp=4, zero=3, shard_degree=2))
    earlier, last = (
        sum(segment.reduce for segment in segmentation.segments(B, first=False, last=end))
        for end in (False, True)
    )
    assert 0 < earlier < last


def test_communication_beside_computation_slows_it_while_both_run():
    """All buckets but the last, which begins when nothing is left to compute, run beside the pass."""
    strategy, taken = Strategy(dp=4), 0.2
    step, segmentation = segmented(strategy, contention=taken, launch=0.0)
    segments = segmentation.segments(B, first=False, last=True)
    timeline = run(lower(step))
    tasks = timeline.program.tasks
    last = [index for index, task in enumerate(tasks) if task.name == "backward"][-len(segments) :]
    sums = [index for index, task in enumerate(tasks) if task.name == "reduce gradients"]
    computed = timeline.start[last[0]], timeline.end[last[-1]]
    beside = sum(max(0.0, min(timeline.end[index], computed[1]) - timeline.start[index]) for index in sums)
    assert beside > 0
    slowed = breakdown(timeline, 0)[Cause.CONTENTION]
    assert slowed == pytest.approx(taken * beside)
    alone = sum(segment.cost.duration for segment in segments)
    assert computed[1] - computed[0] == pytest.approx(alone + slowed)


SHARES = st.builds(
    GradientShare,
    st.sampled_from([Group(size=4), Group(size=2, stride=2), Group(size=1, stride=4)]),
    st.integers(0, 3_000_000).map(float),
)


def block_of(shares):
    return BlockCost(
        forward=Work(device=1.0),
        input_gradient=Work(device=1.0),
        weight_gradient=Work(device=1.0),
        recompute=Work(),
        gradients=tuple(shares),
        saved=0.0,
        transient=0.0,
        boundary=0.0,
        recomputed_flops=0,
    )


@pytest.mark.property
@settings(deadline=None)
@given(st.lists(st.lists(SHARES, max_size=3), min_size=1, max_size=8), st.integers(0, 6_000_000))
def test_gradients_of_every_group_fill_buckets_of_their_own(gradients, bucket):
    step, _ = segmented(Strategy(dp=4))
    strategy = Strategy(split_degree=4)
    blocks = tuple(block_of(merged_shares(shares)) for shares in gradients)
    pricing = replace(step.pricing, stack=replace(step.stack, bucket=float(bucket)))
    parts = list(filled_buckets([block.gradients for block in blocks], strategy, pricing))
    assert [block for part, _ in parts for block in blocks[part]] == list(blocks)
    sent = merged_shares(share for _, shares in parts for share in shares)
    held = merged_shares(share for block in blocks for share in block.gradients)
    expected = {share.group: share.parameters for share in held if share.parameters and share.group.size > 1}
    assert {share.group: share.parameters for share in sent if share.parameters} == expected
    for group in expected:
        sizes = [share.parameters * BYTES for _, shares in parts for share in shares if share.group == group]
        assert all(size >= bucket for size in [size for size in sizes if size][:-1])


@pytest.mark.property
@settings(deadline=None)
@given(st.lists(st.integers(1, 5_000_000), min_size=1, max_size=8), st.integers(0, 6_000_000))
def test_gradients_of_one_group_fill_buckets_as_blocks_do(sizes, bucket):
    step, _ = segmented(Strategy(dp=4))
    blocks = tuple(block_of([GradientShare(Group(size=1), float(size))]) for size in sizes)
    pricing = replace(step.pricing, stack=replace(step.stack, bucket=float(bucket)))
    parts = [
        part for part, _ in filled_buckets([block.gradients for block in blocks], step.strategy, pricing)
    ]
    assert parts == buckets([BYTES * size for size in sizes], float(bucket))


def test_a_segment_ends_when_the_device_has_run_it_and_the_host_has_launched_it():
    """1 s for each of 2, 4 and 1 launches, 0.5 s for the pass; kernels of 5, 1 and 2 s, or half as long."""
    stack = build_stack(launch=1.0, collective_launch=0.0, microbatch_overhead=0.5)
    works = [Work(device=5.0, launches=2), Work(device=1.0, launches=4), Work(device=2.0, launches=1)]
    assert segment_ends(works, stack) == [5.5, 6.5, 8.5]
    faster = [replace(work, device=work.device / 2) for work in works]
    assert segment_ends(faster, stack) == [3.0, 6.5, 7.5]


@pytest.mark.property
@given(
    works=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50)), min_size=1, max_size=8),
    factors=st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
def test_no_segment_ends_later_when_any_kernel_is_faster(works, factors):
    stack = build_stack(launch=0.1, microbatch_overhead=0.2)
    usual = [Work(device=device, launches=launches) for device, launches in works]
    faster = [replace(work, device=work.device * by) for work, by in zip(usual, factors, strict=False)]
    pairs = zip(segment_ends(faster, stack), segment_ends(usual, stack), strict=True)
    assert all(early <= late + 1e-12 for early, late in pairs)
