import itertools
from math import inf

import pytest
from fluid import fluid_times
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import build_program
from strategies import DURATIONS, programs, recipes, shared_recipes
from timelines import busy_time, critical_path, idle_time

from simdl.engine.run import run
from simdl.pipelines import PIPELINES, peak_in_flight, pipeline, pipeline_order
from simdl.pipelines.constant_costs import Costs, constant_cost_program
from simdl.timeline_metrics import breakdowns, bubble_fraction, exposed

pytestmark = pytest.mark.property

CASES = settings(max_examples=40)


@CASES
@given(programs())
def test_step_time_is_the_critical_path(program):
    assert run(program).step_time == critical_path(program)


@CASES
@given(programs())
def test_step_time_is_at_least_the_busiest_stream(program):
    timeline = run(program)
    for stream in range(len(program.streams)):
        assert busy_time(timeline, stream) <= timeline.step_time
        assert busy_time(timeline, stream) + idle_time(timeline, stream) == timeline.step_time


@CASES
@given(programs())
def test_tasks_take_their_time_in_stream_order_after_what_they_wait_for(program):
    timeline = run(program)
    free = [0.0] * len(program.streams)
    for index, task in enumerate(program.tasks):
        waits = [timeline.end[before] for before in task.after] + [free[stream] for stream in task.streams]
        assert timeline.start[index] == max(waits)
        assert timeline.end[index] == timeline.start[index] + task.duration
        for stream in task.streams:
            free[stream] = timeline.end[index]


@CASES
@given(st.one_of(recipes(), shared_recipes()))
def test_two_runs_agree(recipe):
    first, second = (run(build_program(**recipe)) for _ in range(2))
    assert (first.start, first.end) == (second.start, second.end)


@CASES
@given(recipes(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaling_durations_scales_the_step(recipe, factor):
    longer = tuple(
        task._replace(duration=task.duration * factor, parts=((task.name, task.duration * factor),))
        for task in recipe["tasks"]
    )
    assert step_time(recipe | {"tasks": longer}) == factor * step_time(recipe)


@CASES
@given(recipes(), st.data())
def test_removing_a_dependency_is_never_slower(recipe, data):
    dependent = [index for index, task in enumerate(recipe["tasks"]) if task.after]
    assume(dependent)
    chosen = data.draw(st.sampled_from(dependent))
    relaxed = changed(recipe, chosen, after=recipe["tasks"][chosen].after[1:])
    assert step_time(relaxed) <= step_time(recipe)


@CASES
@given(recipes(), st.data(), DURATIONS)
def test_a_longer_task_is_never_faster(recipe, data, extra):
    chosen = data.draw(st.integers(0, len(recipe["tasks"]) - 1))
    duration = recipe["tasks"][chosen].duration + extra
    longer = changed(recipe, chosen, duration=duration, parts=(("all", duration),))
    assert step_time(recipe) <= step_time(longer) <= step_time(recipe) + extra


@settings(max_examples=80)
@given(shared_recipes())
def test_shared_tasks_take_what_exact_fractions_say(recipe):
    program = build_program(**recipe)
    timeline = run(program)
    for index, (start, end) in enumerate(fluid_times(program)):
        assert timeline.start[index] == pytest.approx(start, rel=1e-9, abs=1e-9)
        assert timeline.end[index] == pytest.approx(end, rel=1e-9, abs=1e-9)


@CASES
@given(shared_recipes())
def test_sharing_only_lengthens(recipe):
    """So what is a bound on the step when nothing is shared is one when it is (design decision 9)."""
    program = build_program(**recipe)
    timeline = run(program)
    for index, task in enumerate(program.tasks):
        assert timeline.end[index] - timeline.start[index] >= task.duration * (1 - 1e-9) - 1e-9
    apart = [task._replace(shares={}, footprint=0.0) for task in recipe["tasks"]]
    assert timeline.step_time >= step_time(recipe | {"tasks": apart}) * (1 - 1e-9)
    assert timeline.step_time >= critical_path(program) * (1 - 1e-9)


@CASES
@given(shared_recipes(), st.data(), DURATIONS)
def test_a_longer_task_never_lowers_what_the_step_takes_at_least(recipe, data, extra):
    """The longest chain of tasks as long as alone only grows, and no step with sharing is shorter."""
    chosen = data.draw(st.integers(0, len(recipe["tasks"]) - 1))
    longer = changed(recipe, chosen, duration=recipe["tasks"][chosen].duration + extra)
    least = critical_path(build_program(**recipe))
    assert least <= critical_path(build_program(**longer)) <= step_time(longer) * (1 + 1e-9)


@CASES
@given(shared_recipes())
def test_no_channel_carries_more_than_it_can(recipe):
    program = build_program(**recipe)
    timeline = run(program)
    for channel in range(len(program.channels)):
        spans, carried = [], 0.0
        for index, task in enumerate(program.tasks):
            for load in getattr(task.action, "loads", ()):
                if load.channel == channel:
                    spans.append((timeline.start[index], timeline.end[index]))
                    carried += load.share * task.duration
        assert carried <= covered(spans) * (1 + 1e-9) + 1e-9


@CASES
@given(st.one_of(recipes(), shared_recipes()))
def test_breakdown_adds_up_to_the_step_time(recipe):
    timeline = run(build_program(**recipe))
    compute = {
        stream.rank: number
        for number, stream in enumerate(timeline.program.streams)
        if stream.name == "compute"
    }
    for rank, causes in breakdowns(timeline).items():
        assert sum(causes.values()) == pytest.approx(timeline.step_time, rel=1e-9, abs=1e-12)
        assert min(causes.values()) >= 0.0
        idle = timeline.step_time - busy_time(timeline, compute[rank])
        assert sum(exposed(timeline, rank).values()) <= idle + 1e-9
    assert 0.0 <= bubble_fraction(timeline) <= 1.0


@CASES
@given(st.one_of(recipes(), shared_recipes()))
def test_exposed_communication_is_what_sampling_finds(recipe):
    timeline = run(build_program(**recipe))
    for rank in range(len(timeline.program.classes)):
        assert sum(exposed(timeline, rank).values()) == pytest.approx(sampled(timeline, rank), abs=1e-9)


@CASES
@given(
    name=st.sampled_from(sorted(PIPELINES)),
    ranks=st.integers(1, 5),
    groups=st.integers(1, 4),
    virtual=st.integers(1, 3),
    costs=st.tuples(DURATIONS, DURATIONS, DURATIONS),
)
def test_pipelines_finish_and_hold_at_most_what_they_forwarded(*, name, ranks, groups, virtual, costs):
    found, sizes = pipeline(name), (ranks, groups * ranks, virtual)
    assume(not any(found.problems(*sizes)))
    forward, input_gradient, weight_gradient = costs
    each = Costs(
        forward=forward, input_gradient=input_gradient, weight_gradient=weight_gradient, transfer=0.5
    )
    timeline = run(constant_cost_program(pipeline_order(name, *sizes), each, copies=found.copies))
    passes = groups * ranks * virtual
    assert timeline.step_time >= passes * sum(costs)
    assert all(1 <= live <= passes for live in peak_in_flight(name, *sizes))


def step_time(recipe):
    return run(build_program(**recipe)).step_time


def changed(recipe, index, **changes):
    """The recipe with another task in the place of one."""
    tasks = list(recipe["tasks"])
    tasks[index] = tasks[index]._replace(**changes)
    return recipe | {"tasks": tuple(tasks)}


def covered(spans):
    """[s] in at least one of the spans."""
    total, until = 0.0, -inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def sampled(timeline, rank):
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
