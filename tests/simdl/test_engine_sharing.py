"""What sharing does to the causes of a step, and to a task that starts later (hand-computed)."""

import pytest
from programs import Task, build_program

from simdl.engine.run import run
from simdl.program.action import Cause, Load, Purpose, Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, RankClass, Stream
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


def test_a_transfer_of_three_ranks_gets_three_times_what_one_of_one_rank_gets():
    """4 bytes each over a link of 4 bytes/s: 3 and 1 bytes/s until 4/3 s, then the second has it alone."""
    builder = ProgramBuilder([RankClass(stage=0)], STREAMS[:4])
    port = builder.channel(Channel(name="link", bandwidth=4.0))
    for stream, ranks in ((FORWARD, 3), (BACKWARD, 1)):
        sent = Transfer(
            purpose=Purpose.MESSAGE,
            cause=Cause.PIPELINE,
            operation=None,
            ranks=2,
            nbytes=4.0,
            duration=1.0,
            loads=(Load(port, 1.0, members=ranks),),
        )
        builder.add(builder.action(sent), stream)
    assert list(run(builder.program()).end) == pytest.approx([4 / 3, 2.0], rel=1e-12)
