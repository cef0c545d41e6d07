"""Transfers that share channels and work slowed by transfers beside it: cases worked through by hand."""

import pytest
from programs import Task, build_program

from simdl.engine.run import run
from simdl.program.program import RankClass, Stream
from simdl.timeline_metrics import breakdown

pytestmark = pytest.mark.theory

LANES = ("compute", "collective", "send-forward", "send-backward")
STREAMS = tuple(Stream(rank, lane) for rank in range(2) for lane in LANES)
COMPUTE, COLLECTIVE, FORWARD, BACKWARD = range(4)
OTHER = 4  # first stream of the second class


def times(*tasks, channels=(1.0, 1.0), **options):
    timeline = run(build_program(streams=STREAMS, tasks=tasks, channels=channels, **options))
    return [pytest.approx(pair, rel=1e-12) for pair in zip(timeline.start, timeline.end, strict=True)]


def flow(stream, duration, *channels, share=1.0, after=()):
    return Task("flow", (stream,), duration, after, shares=dict.fromkeys(channels, share))


def test_a_transfer_alone_takes_its_time():
    assert times(flow(FORWARD, 3.0, 0)) == [(0.0, 3.0)]


def test_two_equal_flows_on_one_link_take_twice_as_long_each():
    assert times(flow(FORWARD, 3.0, 0), flow(BACKWARD, 3.0, 0)) == [(0.0, 6.0), (0.0, 6.0)]


def test_flows_on_links_of_their_own_do_not_meet():
    assert times(flow(FORWARD, 3.0, 0), flow(BACKWARD, 3.0, 1)) == [(0.0, 3.0), (0.0, 3.0)]


def test_a_long_flow_speeds_up_when_the_short_one_beside_it_has_ended():
    """Both at half until the short one is through at 2; the long one has 3 of 4 left."""
    assert times(flow(FORWARD, 1.0, 0), flow(BACKWARD, 4.0, 0)) == [(0.0, 2.0), (0.0, 5.0)]


def test_a_flow_that_starts_later_slows_the_one_under_way():
    """One second alone, four at half together, then the later one alone."""
    later = flow(BACKWARD, 3.0, 0, after=(0,))
    found = times(Task("wait", (COMPUTE,), 1.0), later, flow(FORWARD, 3.0, 0))
    assert found == [(0.0, 1.0), (1.0, 6.0), (0.0, 5.0)]


def test_two_flows_that_fill_half_a_link_each_do_not_slow_each_other():
    half = {"share": 0.5}
    assert times(flow(FORWARD, 3.0, 0, **half), flow(BACKWARD, 3.0, 0, **half)) == [(0.0, 3.0), (0.0, 3.0)]


def test_a_flow_that_takes_little_alone_keeps_its_speed_and_the_rest_is_left():
    """A quarter of the link is less than an equal part of it; the other runs at three quarters meanwhile."""
    found = times(flow(FORWARD, 4.0, 0, share=0.25), flow(BACKWARD, 6.0, 0))
    assert found == [(0.0, 4.0), (0.0, 7.0)]


def test_three_flows_over_two_links():
    """Bertsekas and Gallager, section 6.5.2: the flow over both links and the one beside it on the narrow link
    get half of that each; the third gets what is left of the wide one.

    Link 0 carries 1 byte/s, link 1 carries 2. Rates are 1/2, 1/2 and 3/2 until the third ends at 2; nothing
    gets faster by that. Alone the flow over both runs at 1, so that it takes half of link 1.
    """
    both = Task("both", (FORWARD,), 3.0, shares={0: 1.0, 1: 0.5})
    narrow = flow(BACKWARD, 4.0, 0)  # 4 bytes
    wide = flow(OTHER + FORWARD, 1.5, 1)  # 3 bytes
    assert times(both, narrow, wide, channels=(1.0, 2.0)) == [(0.0, 6.0), (0.0, 7.0), (0.0, 2.0)]


def test_work_is_slowed_for_exactly_the_time_a_transfer_runs_beside_it():
    """Two seconds at three quarters, the rest at full speed: 4 of work take 4.5."""
    work = Task("work", (COMPUTE,), 4.0)
    beside = Task("sum", (COLLECTIVE,), 2.0, footprint=0.25)
    assert times(work, beside) == [(0.0, 4.5), (0.0, 2.0)]


def test_work_is_slowed_from_when_the_transfer_starts():
    """One second at full speed, then 2 at half for 1 of work, then 1 more."""
    tasks = (
        Task("elsewhere", (OTHER,), 1.0),
        Task("work", (COMPUTE,), 3.0),
        Task("sum", (COLLECTIVE,), 2.0, (0,), footprint=0.5),
    )
    assert times(*tasks) == [(0.0, 1.0), (0.0, 4.0), (1.0, 3.0)]


def test_a_shared_transfer_slows_work_as_long_as_it_really_runs():
    """The sum takes 4 instead of 2 beside an equal flow, and slows the work by a half all the while."""
    work = Task("work", (COMPUTE,), 3.0)
    sums = Task("sum", (COLLECTIVE,), 2.0, shares={0: 1.0}, footprint=0.5)
    other = flow(OTHER + FORWARD, 2.0, 0)
    assert times(work, sums, other) == [(0.0, 5.0), (0.0, 4.0), (0.0, 4.0)]


def test_a_transfer_slows_no_work_of_other_ranks():
    work = Task("work", (OTHER,), 4.0)
    assert times(work, Task("sum", (COLLECTIVE,), 2.0, footprint=0.5)) == [(0.0, 4.0), (0.0, 2.0)]


def test_a_rendezvous_slows_work_on_all_its_ranks():
    tasks = (
        Task("work", (COMPUTE,), 4.0),
        Task("work", (OTHER,), 4.0),
        Task("sum", (COLLECTIVE, OTHER + COLLECTIVE), 2.0, footprint=0.5),
    )
    assert times(*tasks) == [(0.0, 5.0), (0.0, 5.0), (0.0, 2.0)]


def test_footprints_add_up():
    tasks = (
        Task("work", (COMPUTE,), 4.0),
        Task("sum", (COLLECTIVE,), 2.0, footprint=0.25),
        Task("send", (FORWARD,), 2.0, footprint=0.25),
    )
    assert times(*tasks)[0] == (0.0, 5.0)


def test_ports_that_ranks_of_two_classes_share_are_one_resource():
    """Their sends meet; classes with ports of their own do not."""
    first, second = (flow(stream, 2.0, 0) for stream in (FORWARD, OTHER + FORWARD))
    assert times(first, second) == [(0.0, 4.0), (0.0, 4.0)]
    assert times(first, flow(OTHER + FORWARD, 2.0, 1)) == [(0.0, 2.0), (0.0, 2.0)]


def test_work_of_a_slow_class_takes_longer_and_its_transfers_do_not():
    classes = [RankClass(stage=0, speed=0.5), RankClass(stage=1, first=1)]
    tasks = (
        Task("work", (COMPUTE,), 3.0),
        Task("work", (OTHER,), 3.0),
        Task("send", (FORWARD,), 1.0, nbytes=1.0),
    )
    assert times(*tasks, classes=classes) == [(0.0, 6.0), (0.0, 3.0), (0.0, 1.0)]


def test_work_of_several_classes_is_as_fast_as_the_slowest():
    classes = [RankClass(stage=0, speed=0.5), RankClass(stage=0, first=1, speed=2.0)]
    assert times(Task("work", (COMPUTE, OTHER), 3.0), classes=classes) == [(0.0, 6.0)]


def test_what_a_transfer_slows_down_counts_as_contention():
    work = Task("work", (COMPUTE,), 4.0)
    beside = Task("sum", (COLLECTIVE,), 2.0, footprint=0.25)
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
