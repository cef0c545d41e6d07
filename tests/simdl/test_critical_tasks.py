"""The critical path of a timeline."""

from programs import Task, build_program

from simdl.engine.run import run
from simdl.program.program import Stream
from simdl.report.critical_tasks import critical_actions, critical_tasks, total_parts


def test_it_leads_through_the_task_that_is_waited_for():
    streams = (Stream(0, "compute"), Stream(1, "compute"))
    tasks = (
        Task("short", (0,), 1.0),
        Task("long", (1,), 3.0, parts=(("work", 2.0), ("launch", 1.0))),
        Task("last", (0,), 2.0, after=(1,)),
    )
    timeline = run(build_program(streams=streams, tasks=tasks))
    assert critical_tasks(timeline) == [1, 2]
    assert list(total_parts(critical_actions(timeline)).items()) == [
        ("work", 2.0),
        ("last", 2.0),
        ("launch", 1.0),
    ]


def test_an_empty_timeline_has_none():
    empty = run(build_program(streams=(), tasks=()))
    assert critical_tasks(empty) == []
    assert total_parts(critical_actions(empty)) == {}


def test_a_task_that_sharing_lengthened_counts_as_long_as_it_took():
    """Work of 3 beside a transfer of 2 that takes half of the device, and a message that waits for both."""
    streams = (Stream(0, "compute"), Stream(0, "collective"), Stream(0, "send-forward"))
    tasks = (
        Task("work", (0,), 3.0),
        Task("sum", (1,), 2.0, footprint=0.5),
        Task("send", (2,), 1.0, (0, 1), nbytes=1.0),
    )
    timeline = run(build_program(streams=streams, tasks=tasks))
    assert critical_tasks(timeline) == [0, 2]
    assert total_parts(critical_actions(timeline)) == {"work": 3.0, "contention": 1.0, "send": 1.0}
