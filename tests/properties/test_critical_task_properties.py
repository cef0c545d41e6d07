from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import schedules, sharing_programs

from simdl.engine.run import run
from simdl.report.critical_tasks import critical_actions, critical_tasks, total_parts

pytestmark = pytest.mark.property


@settings(max_examples=40)
@given(st.one_of(schedules(), sharing_programs()))
def test_it_is_a_chain_without_a_pause_as_long_as_the_step(program):
    timeline = run(program)
    path = critical_tasks(timeline)
    assert sum(total_parts(critical_actions(timeline)).values()) == pytest.approx(timeline.step_time)
    if path:
        assert timeline.start[path[0]] == 0.0
        assert timeline.end[path[-1]] == timeline.step_time
    for first, second in pairwise(path):
        assert timeline.end[first] == pytest.approx(timeline.start[second])
