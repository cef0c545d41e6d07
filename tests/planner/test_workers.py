"""Work spread over processes: every piece once, whatever happens to the processes."""

import os
import subprocess
import sys

import pytest
import worker_jobs

from planner.workers.agenda import Agenda, in_order
from planner.workers.local import run_locally
from planner.workers.outcome import Crashed, Done, Lost
from planner.workers.spread import spread, spread_in_order
from planner.workers.worker import answer_of
from simdl.errors import SimdlError


def results(outcomes):
    return {place: outcome.result for place, outcome in outcomes if isinstance(outcome, Done)}


def test_a_killed_worker_loses_nothing(tmp_path):
    pieces = [(number, str(tmp_path / "mark") if number == 3 else None) for number in range(6)]
    outcomes = list(spread(worker_jobs.square_after_a_death, pieces, workers=2))
    assert sorted(place for place, _ in outcomes) == list(range(6))
    assert results(outcomes) == {number: number * number for number in range(6)}
    assert (tmp_path / "mark").exists()


def test_a_piece_that_kills_every_worker_is_given_up_and_says_how():
    ((place, outcome),) = spread(worker_jobs.die, ["piece"], workers=2)
    assert place == 0
    assert isinstance(outcome, Lost)
    assert "ended 3 times (signal SIGKILL)" in outcome.reason


def test_results_come_in_order_and_a_crash_is_told():
    assert list(spread_in_order(worker_jobs.square, [3, 1, 2], workers=1)) == [9, 1, 4]
    outcomes = dict(spread(worker_jobs.divide_one_by, [0, 2], workers=1))
    assert outcomes[1].result == 0.5
    assert isinstance(outcomes[0], Crashed)
    assert "ZeroDivisionError: division by zero" in outcomes[0].reason
    with pytest.raises(SimdlError, match=r"piece 1 of 1: .*ZeroDivisionError"):
        list(spread_in_order(worker_jobs.divide_one_by, [0], workers=2))


def test_whoever_stops_listening_ends_the_workers():
    outcomes = run_locally(worker_jobs.process_of, range(1000), [""] * 1000, workers=1)
    _, first = next(outcomes)
    outcomes.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first.result, 0)


def test_a_worker_ends_with_its_parent():
    worker = subprocess.Popen(
        [sys.executable, "-m", "planner.workers.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    worker.stdin.close()
    worker.stdout.close()
    assert worker.wait(20) == 0


def test_a_result_that_cannot_be_sent_is_a_crash_of_its_own():
    assert b"internal error" in answer_of(lambda _: lambda: None, 1)


def test_workers_stay_with_a_group_and_share_the_last():
    agenda = Agenda(["a", "b", "a", "b", "a"])
    first, second = agenda.take(None), agenda.take(None)
    assert (first, second) == ((0, "a"), (1, "b"))
    assert [agenda.take("a"), agenda.take("b"), agenda.take("b")] == [(2, "a"), (3, "b"), (4, "a")]
    assert agenda.take("a") is None
    assert in_order(["a", "b", "a"]) == [0, 2, 1]
    assert list(spread(worker_jobs.square, [], workers=2)) == []
