"""How many steps are timed, and what a budget that is too short gives; on a clock of its own."""

import gc

import pytest

torch = pytest.importorskip("torch")

from cases import build_case  # noqa: E402

from validation.errors import TrainerError  # noqa: E402
from validation.reference_trainer import timing  # noqa: E402

CPU = torch.device("cpu")


class Clock:
    """A clock that only steps move."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic


class Runner:
    """A trainer whose steps take a known time, the first five times as long."""

    def __init__(self, seconds, clock):
        self.seconds, self.clock, self.calls = seconds, clock, 0

    def step(self):
        self.calls += 1
        self.clock.now += self.seconds if self.calls > 1 else 5 * self.seconds
        return torch.zeros(())


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def steps(runner, *, budget, reserve=0, **changes):
    """Times of the steps of a case that has so many seconds left."""
    case = build_case(warmup=3, budget=budget, **changes)
    deadline = runner.clock.now + budget
    found, _pace = timing.measure_steps(runner, case, CPU, deadline=deadline, reserve=reserve)
    return found


def test_all_steps_are_timed_where_the_budget_holds_them(clock):
    runner = Runner(2.0, clock)
    assert steps(runner, budget=100, steps=7) == pytest.approx([2.0] * 7)
    assert runner.calls == 10


def test_fewer_are_timed_where_it_does_not(clock):
    # 26 s are left after 10 + 2 + 2 s of warm-up: ten steps of 2 s with a margin of a fifth
    assert len(steps(Runner(2.0, clock), budget=40, steps=1000)) == 10
    assert clock.now <= 140


def test_a_machine_that_slows_down_ends_the_steps_before_the_budget_ends(clock):
    class Slower(Runner):
        def step(self):
            self.seconds *= 1.5
            return super().step()

    assert 3 <= len(steps(Slower(1.0, clock), budget=100, steps=1000)) < 7
    assert clock.now <= 200


def test_a_long_warm_up_is_cut_where_no_timed_steps_would_be_left(clock):
    runner = Runner(5.0, clock)
    assert len(steps(runner, budget=50, steps=10)) == 3
    assert runner.calls == 2 + 3


def test_steps_that_come_after_are_kept_free(clock):
    assert len(steps(Runner(2.0, clock), budget=40, reserve=6, steps=1000)) == 4


def test_a_budget_without_room_is_refused(clock):
    message = r"budget 18 s: 6 s are left .*, room for 2 timed steps of 2 s; expected at least 3"
    with pytest.raises(TrainerError, match=message):
        steps(Runner(2.0, clock), budget=18, steps=5)


def test_a_budget_that_is_spent_leaves_no_room(clock):
    with pytest.raises(TrainerError, match="room for 0 timed steps"):
        steps(Runner(2.0, clock), budget=1, steps=5)


def test_garbage_is_not_collected_while_steps_are_timed(clock):
    seen = []

    class Watching(Runner):
        def step(self):
            seen.append(gc.isenabled())
            return super().step()

    steps(Watching(2.0, clock), budget=100, steps=5)
    assert gc.isenabled()
    assert set(seen) == {False}
