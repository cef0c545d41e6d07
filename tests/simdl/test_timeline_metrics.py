import pytest
from programs import Task, build_program

from simdl.engine.run import run
from simdl.program.program import Stream
from simdl.report.timeline_metrics import (
    breakdown,
    breakdowns,
    bubble_fraction,
    exposed,
    memory_profile,
)

STREAMS = (Stream(0, "compute"), Stream(0, "collective"), Stream(0, "send-forward"), Stream(1, "compute"))


def timeline_of(*tasks):
    return run(build_program(streams=STREAMS, tasks=tasks))


@pytest.fixture
def overlapped():
    """Compute 0-2 and 7-8; collective 1-5; send 3-6; rank 1 computes 0-10."""
    return timeline_of(
        Task("forward", (0,), 2.0, parts=(("matmul", 1.5), ("elementwise", 0.5))),
        Task("lead", (1,), 1.0, parts=(("gradients", 1.0),)),
        Task("all-reduce", (1,), 4.0, parts=(("latency", 1.0), ("gradients", 3.0))),
        Task("pause", (2,), 3.0, parts=(("launch", 3.0),)),
        Task("send", (2,), 3.0, after=(3,)),
        Task("idle", (3,), 7.0),
        Task("backward", (0,), 1.0, after=(5,)),
        Task("long", (3,), 3.0),
    )


def test_exposed_communication_belongs_to_the_task_that_started_first(overlapped):
    # "pause" (0-3) started first and owns 2-3, all-reduce (1-5) then owns 3-5, send (3-6) what is left.
    expected = {"launch": 1.0, "latency": 0.5, "gradients": 1.5, "send": 1.0}
    assert exposed(overlapped, 0) == pytest.approx(expected)


def test_breakdown_adds_up(overlapped):
    causes = breakdown(overlapped, 0)
    assert sum(causes.values()) == pytest.approx(10.0, rel=1e-9)
    assert causes["matmul"] == 1.5
    assert causes["bubble"] == pytest.approx(3.0)
    assert breakdowns(overlapped)[1] == {"idle": 7.0, "long": 3.0, "bubble": 0.0}
    assert bubble_fraction(overlapped) == pytest.approx(3.0 / 20.0)


def test_hidden_communication_is_not_exposed():
    timeline = timeline_of(Task("forward", (0,), 5.0), Task("send", (2,), 3.0))
    assert exposed(timeline, 0) == {}


def test_a_rendezvous_counts_on_each_of_its_ranks():
    timeline = timeline_of(Task("exchange", (1, 3), 2.0))
    assert exposed(timeline, 0) == {"exchange": 2.0}
    assert breakdown(timeline, 1) == {"exchange": 2.0, "bubble": 0.0}


def test_a_rendezvous_that_holds_the_compute_stream_is_not_exposed():
    timeline = timeline_of(Task("blocking send", (0, 2), 2.0))
    assert exposed(timeline, 0) == {}
    assert breakdown(timeline, 0) == {"blocking send": 2.0, "bubble": 0.0}


def test_an_empty_timeline_has_no_bubble():
    assert bubble_fraction(timeline_of()) == 0.0


def test_memory_rises_with_acquire_and_falls_with_release():
    timeline = timeline_of(
        Task("forward", (0,), 1.0, acquire=10.0),
        Task("forward", (0,), 1.0, acquire=10.0),
        Task("backward", (0,), 2.0, acquire=1.0, release=11.0),
        Task("forward", (3,), 1.0, acquire=7.0),
    )
    assert memory_profile(timeline, 0) == [(0.0, 10.0), (1.0, 20.0), (2.0, 21.0), (4.0, 10.0)]
    assert memory_profile(timeline, 1) == [(0.0, 7.0)]
    assert memory_profile(timeline, 9) == []


def test_memory_released_and_acquired_at_one_instant_is_not_counted_twice():
    timeline = timeline_of(Task("a", (0,), 1.0, acquire=5.0, release=5.0), Task("b", (0,), 1.0, acquire=5.0))
    assert memory_profile(timeline, 0) == [(0.0, 5.0), (1.0, 5.0)]
