"""The critical path of a timeline."""

from simdl.critical_tasks import critical_passes, critical_tasks, total_parts
from simdl.engine.run import run
from programs import Task, build_program
from simdl.program.program import Stream
from simdl.engine.timeline import Timeline


def test_it_leads_through_the_task_that_is_waited_for():
    streams = (Stream(0, "compute"), Stream(1, "compute"))
    tasks = (
        Task("short", (0,), 1.0),
        Task("long", (1,), 3.0, parts=(("work", 2.0), ("launch", 1.0))),
        Task("last", (0,), 2.0, after=(1,)),
    )
    timeline = run(build_program(streams=streams, tasks=tasks))
    assert critical_tasks(timeline) == [1, 2]
    assert list(total_parts(critical_passes(timeline)).items()) == [
        ("work", 2.0),
        ("last", 2.0),
        ("launch", 1.0),
    ]


def test_an_empty_timeline_has_none():
    empty = Timeline(schedule=build_program(streams=(), tasks=()), start=(), end=())
    assert critical_tasks(empty) == []
    assert total_parts(critical_passes(empty)) == {}
