"""Passes split so that communication runs beside computation."""

import pytest
from conftest import build_cluster, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from uniform import uniform_layer

from simdl.automatic_cut import step_cost
from simdl.segments import Segmentation, buckets
from simdl.simulate import price
from simdl.step_cost import gather_time, reduce_time
from simdl.strategy import Strategy
from workloads.network import Block, Network

SIZES = (1_000_000, 2_000_000, 3_000_000, 4_000_000)
BYTES = 2  # of a gradient element in the stack of these tests


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
    segments = segmentation.segments("B", 0, step.microbatches - 1)
    expected = [reduce_time(size, strategy, step.pricing) for size in reversed(SIZES)]
    assert [segment.reduce for segment in segments] == pytest.approx(expected)
    assert sum(segment.cost.duration for segment in segments) == pytest.approx(
        step.stages[0].backward.duration
    )


def test_a_bucket_takes_as_many_blocks_as_fill_it():
    strategy = Strategy(dp=4)
    step, segmentation = segmented(strategy, bucket=4_000_000.0 * BYTES)
    segments = segmentation.segments("B", 0, step.microbatches - 1)
    expected = [reduce_time(size, strategy, step.pricing) for size in (4_000_000, 5_000_000, 1_000_000)]
    assert [segment.reduce for segment in segments] == pytest.approx(expected)


@pytest.mark.parametrize(("schedule", "final"), [("1f1b", 3), ("gpipe", 0)])
def test_only_the_last_backward_pass_completes_gradients(schedule, final):
    strategy = Strategy(dp=4, pp=2, schedule=schedule)
    _, segmentation = segmented(strategy)
    split = [m for m in range(4) if segmentation.segments("B", 0, m) is not None]
    assert split == [final]
    assert all(segmentation.segments("F", 0, m) is None for m in range(4))


def test_nothing_is_split_where_nothing_overlaps():
    for strategy, stack in ((Strategy(dp=4), {"gradient_overlap": False}), (Strategy(pp=2), {})):
        _, segmentation = segmented(strategy, **stack)
        assert all(segmentation.segments(kind, 0, m) is None for kind in "FB" for m in range(4))


def test_zero_1_gathers_updated_parameters_beside_the_first_forward_pass():
    strategy = Strategy(dp=4, zero=1)
    step, segmentation = segmented(strategy)
    first = segmentation.segments("F", 0, 0)
    expected = [gather_time(size, strategy, step.pricing) for size in SIZES]
    assert [segment.gather for segment in first] == pytest.approx(expected)
    assert segmentation.segments("F", 0, 1) is None
    assert segmented(strategy, parameter_overlap=False)[1].segments("F", 0, 0) is None


def test_zero_3_gathers_in_every_pass_and_reduces_in_every_backward_pass():
    strategy = Strategy(dp=4, zero=3)
    step, segmentation = segmented(strategy)
    gathers = [gather_time(size, strategy, step.pricing) for size in SIZES]
    for microbatch in range(step.microbatches):
        forward = segmentation.segments("F", 0, microbatch)
        backward = segmentation.segments("B", 0, microbatch)
        assert [segment.gather for segment in forward] == pytest.approx(gathers)
        assert [segment.gather for segment in backward] == pytest.approx(gathers[::-1])
        assert all(segment.reduce == 0 for segment in forward)
        assert all(segment.reduce > 0 for segment in backward)


def test_hybrid_sharding_sums_across_copies_in_the_last_microbatch_only():
    step, segmentation = segmented(Strategy(dp=4, zero=3, shard_degree=2))
    earlier, last = (
        sum(segment.reduce for segment in segmentation.segments("B", 0, microbatch))
        for microbatch in (0, step.microbatches - 1)
    )
    assert 0 < earlier < last


def test_communication_beside_computation_slows_it_by_the_contention():
    strategy = Strategy(dp=4)
    step, segmentation = segmented(strategy, contention=0.2)
    segments = segmentation.segments("B", 0, step.microbatches - 1)
    whole = step.stages[0].backward.duration
    beside = min(whole, sum(segment.reduce for segment in segments))
    assert sum(segment.cost.duration for segment in segments) == pytest.approx(whole + 0.2 * beside)
    slowed = sum(dict(segment.cost.parts)["contention"] for segment in segments)
    assert slowed == pytest.approx(0.2 * beside)
