import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import DURATIONS, schedules
from timelines import busy_time, idle_time

from simdl.engine.run import run
from simdl.pipelines import PIPELINES, peak_in_flight, pipeline_order
from simdl.pipelines.constant_costs import constant_cost_schedule
from simdl.task import Schedule
from simdl.timeline_metrics import breakdowns, bubble_fraction, critical_path, exposed

pytestmark = pytest.mark.property


@given(schedules())
def test_step_time_is_the_critical_path(schedule):
    assert run(schedule).step_time == critical_path(schedule)


@given(schedules())
def test_step_time_is_at_least_the_busiest_stream(schedule):
    timeline = run(schedule)
    for stream in range(len(schedule.streams)):
        assert busy_time(timeline, stream) <= timeline.step_time
        assert busy_time(timeline, stream) + idle_time(timeline, stream) == timeline.step_time


@given(schedules())
def test_tasks_take_their_time_in_stream_order_after_what_they_wait_for(schedule):
    timeline = run(schedule)
    free = [0.0] * len(schedule.streams)
    for index, task in enumerate(schedule.tasks):
        waits = [timeline.end[before] for before in task.after] + [free[stream] for stream in task.streams]
        assert timeline.start[index] == max(waits)
        assert timeline.end[index] == timeline.start[index] + task.duration
        for stream in task.streams:
            free[stream] = timeline.end[index]


@given(schedules())
def test_two_runs_agree(schedule):
    assert run(schedule) == run(schedule)


@given(schedules(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaling_durations_scales_the_step(schedule, factor):
    tasks = tuple(task._replace(duration=task.duration * factor) for task in schedule.tasks)
    assert run(replace(schedule, tasks=tasks)).step_time == factor * run(schedule).step_time


@given(schedules(), st.data())
def test_removing_a_dependency_is_never_slower(schedule, data):
    dependent = [index for index, task in enumerate(schedule.tasks) if task.after]
    assume(dependent)
    chosen = data.draw(st.sampled_from(dependent))
    relaxed = _replace_task(schedule, chosen, after=schedule.tasks[chosen].after[1:])
    assert run(relaxed).step_time <= run(schedule).step_time


@given(schedules(), st.data(), DURATIONS)
def test_a_longer_task_is_never_faster(schedule, data, extra):
    chosen = data.draw(st.integers(0, len(schedule.tasks) - 1))
    longer = _replace_task(schedule, chosen, duration=schedule.tasks[chosen].duration + extra)
    assert run(schedule).step_time <= run(longer).step_time <= run(schedule).step_time + extra


@given(schedules())
def test_breakdown_adds_up_to_the_step_time(schedule):
    timeline = run(schedule)
    for rank, causes in breakdowns(timeline).items():
        assert sum(causes.values()) == pytest.approx(timeline.step_time, rel=1e-9, abs=1e-12)
        assert min(causes.values()) >= 0.0
        assert (
            sum(exposed(timeline, rank).values()) <= timeline.step_time - busy_time(timeline, 2 * rank) + 1e-9
        )
    assert 0.0 <= bubble_fraction(timeline) <= 1.0


@given(schedules())
def test_exposed_communication_is_what_sampling_finds(schedule):
    timeline = run(schedule)
    for rank in range(len(schedule.streams) // 2):
        assert sum(exposed(timeline, rank).values()) == pytest.approx(_sampled(timeline, rank), abs=1e-9)


@given(
    name=st.sampled_from(sorted(PIPELINES)),
    ranks=st.integers(1, 5),
    groups=st.integers(1, 4),
    virtual=st.integers(1, 3),
    costs=st.tuples(DURATIONS, DURATIONS),
)
def test_pipelines_finish_and_hold_at_most_what_they_forwarded(*, name, ranks, groups, virtual, costs):
    virtual = virtual if name == "interleaved-1f1b" else 1
    orders = pipeline_order(name, ranks, groups * ranks, virtual)
    timeline = run(constant_cost_schedule(orders, forward=costs[0], backward=costs[1], transfer=0.5))
    passes = groups * ranks * virtual
    assert timeline.step_time >= passes * sum(costs)
    assert all(1 <= live <= passes for live in peak_in_flight(name, ranks, groups * ranks, virtual))


def _replace_task(schedule: Schedule, index: int, **changes) -> Schedule:
    tasks = list(schedule.tasks)
    tasks[index] = tasks[index]._replace(**changes)
    return replace(schedule, tasks=tuple(tasks))


def _sampled(timeline, rank):
    """Exposed seconds by looking at the middle between any two instants at which something changes."""
    instants = sorted({0.0, *timeline.start, *timeline.end})
    total = 0.0
    for begin, end in itertools.pairwise(instants):
        middle = (begin + end) / 2
        running = [
            timeline.program.streams[stream].name
            for index, task in enumerate(timeline.program.tasks)
            if timeline.start[index] < middle < timeline.end[index]
            for stream in task.streams
            if timeline.program.streams[stream].rank == rank
        ]
        if running and "compute" not in running:
            total += end - begin
    return total
