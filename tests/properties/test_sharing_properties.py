"""What holds of every run of a program whose tasks share channels and devices."""

import random
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simdl.engine import calm
from simdl.engine.longest_path import longest_path
from simdl.engine.rates import max_min_speeds
from simdl.engine.run import run
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, RankClass, Stream

pytestmark = pytest.mark.property

LANES = tuple(Lane)
SECONDS = st.one_of(st.just(0.0), st.floats(0.01, 10.0))
SHARES = st.one_of(st.just(1.0), st.floats(0.01, 1.0))
FOOTPRINTS = st.one_of(st.just(0.0), st.just(1.0), st.floats(0.0, 1.0))
ROUNDING = 1e-9


@st.composite
def actions(draw, channels):
    """Work, or a transfer over any of the channels."""
    seconds = draw(SECONDS)
    if draw(st.booleans()):
        return Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, seconds),))
    used = draw(st.lists(st.integers(0, channels - 1), max_size=channels, unique=True))
    return Transfer(
        purpose=Purpose.SEND_ACTIVATION,
        cause=Cause.PIPELINE,
        operation=None,
        ranks=2,
        nbytes=1.0,
        duration=seconds,
        loads=tuple(Load(channel, draw(SHARES)) for channel in used),
        footprint=draw(FOOTPRINTS),
    )


@st.composite
def programs(draw, max_tasks=20):
    """Programs without deadlock: work on compute streams, transfers on the others, rendezvous."""
    ranks, channels = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    speeds = draw(st.lists(st.sampled_from([1.0, 0.5, 1.3]), min_size=ranks, max_size=ranks))
    builder = ProgramBuilder(
        [RankClass(stage=rank, first=rank, speed=speed) for rank, speed in enumerate(speeds)],
        [Stream(rank, lane) for rank in range(ranks) for lane in LANES],
    )
    for number in range(channels):
        bandwidth = draw(st.sampled_from([1.0, 3.0, 1e10]))
        builder.channel(Channel(name=f"link {number}", bandwidth=bandwidth))
    kinds = draw(st.lists(actions(channels), min_size=1, max_size=6))
    for index in range(draw(st.integers(1, max_tasks))):
        action = draw(st.sampled_from(kinds))
        lane = 0 if isinstance(action, Work) else draw(st.integers(1, len(LANES) - 1))
        held = draw(st.lists(st.integers(0, ranks - 1), min_size=1, max_size=3, unique=True))
        after = draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []
        builder.add(builder.action(action), lane + len(LANES) * held[0], after)
        if len(held) > 1:
            builder.hold(index, tuple(lane + len(LANES) * rank for rank in held))
    return builder.program()


def alone(program):
    """The program without anything to share."""
    return replace(
        program,
        channels=(),
        actions=tuple(
            replace(action, loads=(), footprint=0.0) if isinstance(action, Transfer) else action
            for action in program.actions
        ),
    )


def seconds_alone(program, index):
    """[s] of a task that meets nothing."""
    task = program.tasks[index]
    if isinstance(task.action, Transfer):
        return task.duration
    return task.duration / min(program.classes[program.streams[stream].rank].speed for stream in task.streams)


@given(programs())
def test_ends_without_sharing_are_the_longest_paths(program):
    plain = alone(program)
    assert run(plain).end == longest_path(plain) == longest_path(program)


@given(programs())
def test_sharing_only_lengthens(program):
    timeline, plain = run(program), longest_path(program)
    for end, least in zip(timeline.end, plain, strict=True):
        assert end >= least * (1 - ROUNDING)


@given(programs(), st.data(), st.floats(0.0, 5.0))
def test_a_longer_action_never_shortens_a_step_where_nothing_is_shared(program, data, extra):
    chosen = data.draw(st.integers(0, len(program.actions) - 1))
    durations = [action.duration for action in program.actions]
    before = longest_path(program, durations)
    durations[chosen] += extra
    after = longest_path(program, durations)
    assert all(late >= early for early, late in zip(before, after, strict=True))


@given(programs())
def test_every_task_lasts_at_least_as_long_as_alone_and_starts_when_it_may(program):
    timeline = run(program)
    free = [0.0] * len(program.streams)
    for index, task in enumerate(program.tasks):
        waits = [timeline.end[before] for before in task.after] + [free[stream] for stream in task.streams]
        assert timeline.start[index] == max(waits)
        lasted = timeline.end[index] - timeline.start[index]
        assert lasted >= seconds_alone(program, index) - ROUNDING * timeline.step_time
        for stream in task.streams:
            free[stream] = timeline.end[index]


@given(programs())
def test_no_channel_carries_more_than_its_bandwidth(program):
    # What transfers took of a channel in any window cannot exceed the window.
    timeline = run(program)
    for channel in range(len(program.channels)):
        carried = [
            (timeline.start[index], timeline.end[index], task.duration * load.share)
            for index, task in enumerate(program.tasks)
            if isinstance(task.action, Transfer)
            for load in task.action.loads
            if load.channel == channel
        ]
        for begin, _, _ in carried:
            for _, end, _ in carried:
                inside = sum(each for first, last, each in carried if begin <= first and last <= end)
                assert inside <= max(0.0, end - begin) + ROUNDING * (1.0 + timeline.step_time)


@given(programs())
def test_no_device_works_more_than_it_can(program):
    # Beside work, transfers that all run throughout it leave at most what their footprints do not take.
    timeline = run(program)
    for index, task in enumerate(program.tasks):
        if isinstance(task.action, Transfer) or not task.duration:
            continue
        begin, end = timeline.start[index], timeline.end[index]
        ranks = {program.streams[stream].rank for stream in task.streams}
        for rank in ranks:
            taken = sum(
                other.action.footprint
                for number, other in enumerate(program.tasks)
                if isinstance(other.action, Transfer)
                and timeline.start[number] <= begin
                and end <= timeline.end[number]
                and rank in {program.streams[stream].rank for stream in other.streams}
            )
            done = program.classes[rank].speed * max(0.0, 1.0 - taken) * (end - begin)
            assert task.duration <= done + ROUNDING * (1.0 + timeline.step_time)


@given(programs())
def test_two_runs_agree(program):
    first, second = run(program), run(program)
    assert (first.start, first.end) == (second.start, second.end)


@given(programs(), st.randoms(use_true_random=False))
def test_the_numbers_of_actions_channels_and_dependencies_do_not_matter(program, rng: random.Random):
    timeline, other = run(program), run(_shuffled(program, rng))
    assert list(other.end) == pytest.approx(list(timeline.end), rel=ROUNDING, abs=ROUNDING)


def _shuffled(program, rng):
    """The same program, built with other numbers."""
    channels = rng.sample(range(len(program.channels)), len(program.channels))
    numbers = rng.sample(range(len(program.actions)), len(program.actions))
    builder = ProgramBuilder(program.classes, program.streams)
    for old in sorted(range(len(channels)), key=channels.__getitem__):
        builder.channel(program.channels[old])
    moved = {}
    for number in numbers:
        action = program.actions[number]
        if isinstance(action, Transfer):
            loads = [Load(channels[load.channel], load.share) for load in action.loads]
            action = replace(action, loads=tuple(rng.sample(loads, len(loads))))
        moved[number] = builder.action(action)
    for index, number in enumerate(program.action):
        after = list(program.after(index))
        task = builder.add(moved[number], program.stream[index], rng.sample(after, len(after)))
        if index in program.held:
            builder.hold(task, program.held[index])
    return builder.program()


FLOWS = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 3), SHARES, max_size=3), st.floats(0.1, 100.0)),
    min_size=1,
    max_size=8,
)


@given(FLOWS)
def test_rates_are_max_min_fair(flows):
    shares, rates = [list(loads.items()) for loads, _ in flows], [rate for _, rate in flows]
    speeds = max_min_speeds(shares, rates)
    used = {
        channel: sum(loads.get(channel, 0.0) * speed for (loads, _), speed in zip(flows, speeds, strict=True))
        for loads, _ in flows
        for channel in loads
    }
    assert all(load <= 1 + ROUNDING for load in used.values())
    for (loads, rate), speed in zip(flows, speeds, strict=True):
        assert 0.0 < speed <= 1.0
        # A flow below full speed has a bottleneck: a full channel on which no flow is faster.
        assert speed == 1.0 or any(
            used[channel] >= 1 - ROUNDING
            and all(
                other_rate * other_speed <= rate * speed * (1 + ROUNDING)
                for (other, other_rate), other_speed in zip(flows, speeds, strict=True)
                if channel in other
            )
            for channel in loads
        )


@given(programs())
def test_what_runs_before_anything_meets_is_the_longest_path(program):
    """Events from the end of the calm on give what events from the start of the step give."""
    whole = run(program)
    with patch.object(calm, "LEAST", 0):
        found = run(program)
    assert list(found.end) == pytest.approx(list(whole.end), rel=ROUNDING, abs=ROUNDING)
    assert list(found.start) == pytest.approx(list(whole.start), rel=ROUNDING, abs=ROUNDING)
