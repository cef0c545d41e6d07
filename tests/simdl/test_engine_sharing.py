"""What sharing does to the causes of a step, and to a task that starts later (hand-computed)."""

import pytest
from programs import Task, build_program

from simdl.engine.run import run
from simdl.program.program import Stream
from simdl.report.timeline_metrics import breakdown

pytestmark = pytest.mark.theory

LANES = ("compute", "collective", "send-forward", "send-backward")
STREAMS = tuple(Stream(rank, lane) for rank in range(2) for lane in LANES)
COMPUTE, _, FORWARD, BACKWARD = range(4)
OTHER = 4  # first stream of the second class


def times(*tasks):
    timeline = run(build_program(streams=STREAMS, tasks=tasks, channels=(1.0,)))
    return [pytest.approx(pair, rel=1e-12) for pair in zip(timeline.start, timeline.end, strict=True)]


def flow(stream, duration, *channels, after=()):
    return Task("flow", (stream,), duration, after, shares=dict.fromkeys(channels, 1.0))


def test_what_a_transfer_slows_down_counts_as_contention():
    work = Task("work", (COMPUTE,), 4.0)
    beside = Task("sum", (1,), 2.0, footprint=0.25)
    timeline = run(build_program(streams=STREAMS, tasks=(work, beside)))
    assert breakdown(timeline, 0) == pytest.approx({"work": 4.0, "contention": 0.5, "bubble": 0.0})


def test_what_sharing_lengthens_counts_to_the_transfer():
    timeline = run(
        build_program(streams=STREAMS, tasks=(flow(FORWARD, 3.0, 0), flow(BACKWARD, 3.0, 0)), channels=(1.0,))
    )
    assert breakdown(timeline, 0) == pytest.approx({"flow": 6.0, "bubble": 0.0})


def test_a_longer_task_can_shorten_a_step_that_shares():
    """A flow that starts later leaves the link to the one that much waits for: bounds leave sharing out."""
    tasks = [
        Task("before", (OTHER,), 0.0),
        flow(OTHER + FORWARD, 2.0, 0, after=(0,)),
        flow(FORWARD, 2.0, 0),
        Task("after", (COMPUTE,), 10.0, (2,)),
    ]
    assert times(*tasks)[3] == (4.0, 14.0)
    tasks[0] = Task("before", (OTHER,), 2.0)
    assert times(*tasks)[3] == (2.0, 12.0)
