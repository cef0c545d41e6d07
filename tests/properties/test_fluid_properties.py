"""Programs that share channels and devices, held to the same in exact fractions."""

import pytest
from fluid import fluid_times
from hypothesis import given, settings
from strategies import sampled, sharing_programs
from timelines import busy_time, critical_path

from simdl.engine.run import run
from simdl.report.timeline_metrics import breakdowns, bubble_fraction, exposed

pytestmark = pytest.mark.property


@settings(max_examples=80)
@given(sharing_programs())
def test_tasks_take_what_exact_fractions_say(program):
    timeline = run(program)
    for index, (start, end) in enumerate(fluid_times(program)):
        assert timeline.start[index] == pytest.approx(start, rel=1e-9, abs=1e-9)
        assert timeline.end[index] == pytest.approx(end, rel=1e-9, abs=1e-9)


@settings(max_examples=40)
@given(sharing_programs())
def test_what_bounds_an_unshared_step_bounds_a_shared_one(program):
    """A longer task never shortens the longest chain; sharing only lengthens tasks (design decision 9)."""
    assert run(program).step_time >= critical_path(program) * (1 - 1e-9)


@settings(max_examples=40)
@given(sharing_programs())
def test_breakdown_of_a_shared_step_adds_up(program):
    timeline = run(program)
    compute = {stream.rank: n for n, stream in enumerate(program.streams) if stream.name == "compute"}
    for rank, causes in breakdowns(timeline).items():
        assert sum(causes.values()) == pytest.approx(timeline.step_time, rel=1e-9, abs=1e-12)
        assert min(causes.values()) >= 0.0
        idle = timeline.step_time - busy_time(timeline, compute[rank])
        assert sum(exposed(timeline, rank).values()) <= idle + 1e-9
        assert sum(exposed(timeline, rank).values()) == pytest.approx(sampled(timeline, rank), abs=1e-9)
    assert 0.0 <= bubble_fraction(timeline) <= 1.0
