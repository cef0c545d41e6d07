"""How many steps are timed, and what a budget that is too short gives."""

import gc
import time

import pytest

torch = pytest.importorskip("torch")

from cases import build_case  # noqa: E402

from validation.errors import TrainerError  # noqa: E402
from validation.reference_trainer.timing import measure_steps, no_garbage_collection  # noqa: E402

CPU = torch.device("cpu")


class Sleeper:
    """A trainer whose steps take a known time; the first is slow."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.calls = 0

    def step(self):
        self.calls += 1
        time.sleep(self.seconds if self.calls > 1 else 5 * self.seconds)
        return torch.zeros(())


def steps(trainer, *, seconds, reserve=0, **changes):
    case = build_case(**changes)
    return measure_steps(trainer, case, CPU, deadline=time.monotonic() + seconds, reserve=reserve)


def test_all_steps_are_timed_where_the_budget_holds_them():
    trainer = Sleeper(0.002)
    taken = steps(trainer, seconds=10, warmup=3, steps=7)
    assert len(taken) == 7
    assert trainer.calls == 10
    assert all(0.002 <= second < 0.05 for second in taken)


def test_fewer_are_timed_where_it_does_not():
    taken = steps(Sleeper(0.02), seconds=0.4, warmup=3, steps=1000)
    assert 3 <= len(taken) < 20


def test_steps_that_come_after_are_kept_free():
    few = steps(Sleeper(0.02), seconds=0.7, reserve=10, warmup=3, steps=1000)
    many = steps(Sleeper(0.02), seconds=0.7, warmup=3, steps=1000)
    assert len(few) < len(many)


def test_a_budget_without_room_is_refused():
    with pytest.raises(TrainerError, match=r"room for \d timed steps of .*; expected at least 3"):
        steps(Sleeper(0.02), seconds=0.2, warmup=3, steps=5, budget=0.2)


def test_garbage_is_not_collected_while_steps_are_timed():
    assert gc.isenabled()
    with no_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
