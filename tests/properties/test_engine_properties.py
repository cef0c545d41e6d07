from array import array
from dataclasses import replace

import pytest
from constant_costs import Costs, constant_cost_program
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import DURATIONS, sampled, schedules
from timelines import busy_time, idle_time

from simdl.engine.longest_path import longest_path
from simdl.engine.run import run
from simdl.pipelines import PIPELINES, peak_in_flight, pipeline_order
from simdl.program.action import Transfer
from simdl.report.timeline_metrics import breakdowns, bubble_fraction, exposed

pytestmark = pytest.mark.property


@given(schedules())
def test_ends_are_the_longest_paths(schedule):
    assert run(schedule).end == longest_path(schedule)


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
    first, second = run(schedule), run(schedule)
    assert (first.start, first.end) == (second.start, second.end)


@given(schedules(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaling_durations_scales_the_step(schedule, factor):
    actions = tuple(lasting(action, action.duration * factor) for action in schedule.actions)
    assert run(replace(schedule, actions=actions)).step_time == factor * run(schedule).step_time


@given(schedules(), st.data())
def test_removing_a_dependency_is_never_slower(schedule, data):
    assume(schedule.befores)
    chosen = data.draw(st.integers(0, len(schedule.befores) - 1))
    befores = array("i", schedule.befores)
    del befores[chosen]
    starts = array("i", [start - (start > chosen) for start in schedule.starts])
    relaxed = replace(schedule, starts=starts, befores=befores)
    assert run(relaxed).step_time <= run(schedule).step_time


@given(schedules(), st.data(), DURATIONS)
def test_a_longer_task_is_never_faster(schedule, data, extra):
    chosen = data.draw(st.integers(0, len(schedule) - 1))
    action = schedule.tasks[chosen].action
    numbers = array("i", schedule.action)
    numbers[chosen] = len(schedule.actions)
    actions = (*schedule.actions, lasting(action, action.duration + extra))
    longer = replace(schedule, actions=actions, action=numbers)
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
        assert sum(exposed(timeline, rank).values()) == pytest.approx(sampled(timeline, rank), abs=1e-9)


@given(
    name=st.sampled_from(sorted(PIPELINES)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 3)),
    costs=st.tuples(DURATIONS, DURATIONS, DURATIONS),
)
def test_pipelines_take_at_least_the_work_of_a_rank(*, name, size, costs):
    assume(not list(PIPELINES[name].problems(*size)))
    seconds = Costs(forward=costs[0], input_gradient=costs[1], weight_gradient=costs[2], transfer=0.5)
    program = constant_cost_program(pipeline_order(name, *size), seconds, copies=PIPELINES[name].copies)
    _, microbatches, virtual = size
    passes = microbatches * virtual
    assert run(program).step_time >= passes * sum(costs)
    assert all(1 <= live <= passes for live in peak_in_flight(name, *size))


def lasting(action, seconds):
    """The action, longer or shorter."""
    if isinstance(action, Transfer):
        return replace(action, duration=seconds)
    return replace(action, parts=((action.parts[0][0], seconds),))
