"""A run over all cases with a backend that only counts: rounds, resumption, refusals, limits."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from measured_rows import FACTS, OFFERS, setting

from validation.microbenchmarks import power, suite
from validation.microbenchmarks.backend import Backend, OutOfMemoryError, Prepared, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.companions import Alone
from validation.microbenchmarks.journal import partial_path, read_journal, start_journal
from validation.microbenchmarks.measurement import quietest, repeatability
from validation.microbenchmarks.pace import Pace, find_pace, no_pace
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.suite import Run, first_round, run_suite, time_left
from validation.microbenchmarks.timing import Timer, sample, summarize

said = []

CASES = tuple(Case(family="streaming", kernel="elementwise/relu", dims={"elements": n}) for n in (1, 2, 3))
ORDER = (1, 3, 2)
"""Elements of the cases as they are measured: neighbours apart."""


class Clock(Timer):
    """Every call takes a millisecond of this clock."""

    def seconds(self, calls):
        for call in calls:
            call()
        return 1e-3 * len(calls)


class Uneven(Timer):
    """Calls take one, two and three milliseconds in turns."""

    turn = 0

    def seconds(self, calls):
        self.turn += 1
        return 1e-3 * (1 + self.turn % 3) * len(calls)


class Counting(Backend):
    name = "counting"

    def __init__(self, refusals=(), clock=None):
        self.prepared, self.released, self.refusals = [], 0, dict(refusals)
        self.clock = clock or Clock()

    def facts(self):
        return FACTS

    def software(self):
        return {}

    def offer(self):
        return OFFERS["numpy"]

    def timer(self):
        return self.clock

    def prepare(self, case):
        self.prepared.append(case.dims.get("elements"))
        if case.dims.get("elements") in self.refusals:
            raise self.refusals[case.dims["elements"]]
        return Prepared(calls=[lambda: None, lambda: None], workspace=64.0)

    def release(self):
        self.released += 1


@pytest.fixture
def go(monkeypatch, tmp_path):
    """Runs three cases for four rounds; the rows of the file."""

    def run(backend, done=(), *, cases=CASES, limit=1e9, companions=None, pace=no_pace, processes=1):
        monkeypatch.setattr(suite, "FAMILIES", (lambda _scope: iter(cases),))
        path = tmp_path / "measurements-1.csv"
        said.clear()
        start_journal(path, done)
        scope = Scope(quick=False, facts=FACTS, offer=backend.offer())
        given = Run(
            backend=backend,
            setting=setting(processes),
            scope=scope,
            path=path,
            limit=limit,
            progress=said.append,
            pace=pace,
        )
        run_suite(given, done, companions or Alone())
        return read_journal(partial_path(path)).measurements

    return run


def turns(rows):
    return [(row.case.dims["elements"], row.turn) for row in rows]


def test_every_case_is_measured_once_a_round(go):
    backend = Counting()
    rows = go(backend)
    assert turns(rows) == [(n, turn) for turn in range(4) for n in ORDER]
    assert {row.value for row in rows} == {1e-3}
    assert {row.workspace for row in rows} == {64.0}
    assert backend.released == 12


def test_a_run_that_is_taken_up_measures_only_what_is_left(go):
    whole = go(Counting())
    backend = Counting()
    assert turns(go(backend, whole[:4])) == turns(whole)
    assert len(backend.prepared) == 8


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnsupportedCaseError("no such kernel"), "not supported: no such kernel"),
        (OutOfMemoryError("2 GiB asked"), "out of memory: 2 GiB asked"),
    ],
)
def test_a_case_that_cannot_run_is_recorded_once_and_the_others_go_on(go, error, reason):
    backend = Counting({2: error})
    rows = go(backend)
    assert [row.skipped for row in rows if row.skipped] == [reason]
    assert turns(rows) == [(1, 0), (3, 0), (2, 0), *((n, turn) for turn in (1, 2, 3) for n in (1, 3))]
    assert backend.released == 9
    again = Counting({2: error})
    go(again, rows)
    assert again.prepared == []


def test_a_limit_ends_later_rounds_only(go):
    assert turns(go(Counting(), limit=-1.0)) == [(n, 0) for n in ORDER]


def test_further_rounds_begin_with_what_was_measured_while_the_machine_was_slowest(go):
    paces = iter([1.0, 1.0, 1.0, 3.0, 2.0, 1.0, *[1.0] * 18])
    rows = go(Counting(), pace=lambda: next(paces))
    assert turns(rows)[3:6] == [(3, 1), (2, 1), (1, 1)]
    taken_up = go(Counting(), rows[:3], pace=lambda: 1.0)
    assert turns(taken_up)[3:6] == [(3, 1), (2, 1), (1, 1)]


def test_progress_is_told_every_twenty_measurements(go):
    cases = tuple(replace(CASES[0], dims={"elements": n}) for n in range(1, 12))
    go(Counting(), cases=cases)
    assert ["20 of at most 44" in said[0], "40 of at most 44" in said[1], len(said)] == [True, True, 2]


@pytest.mark.theory
def test_cases_that_are_neighbours_are_measured_far_apart():
    order = first_round(800)
    assert sorted(order) == list(range(800))
    places = {index: place for place, index in enumerate(order)}
    for first in range(793):  # seven sizes of one kernel lie in seven different tenths of a round, or nearly
        kernel = [places[first + step] for step in range(7)]
        assert max(kernel) - min(kernel) > 400
        assert min(abs(a - b) for a in kernel for b in kernel if a is not b) > 40


@pytest.mark.theory
def test_time_left_is_that_of_the_round_or_until_the_limit():
    assert time_left(10, passed=5.0, measured=10, limit=0.0) == 5.0
    assert time_left(10, passed=5.0, measured=10, limit=30.0) == 25.0


def test_only_processors_are_probed():
    assert find_pace("cuda") is no_pace
    assert Pace().seconds() > 0


def test_power_that_nobody_reports_is_skipped_with_the_reason(go, monkeypatch, tmp_path):
    monkeypatch.setattr(power, "POWERCAP", tmp_path / "none")
    (row,) = go(Counting(), cases=(Case(family="power", kernel="power/idle", dims={"rows": 8}),))
    assert row.skipped == f"not supported: no energy counters under {tmp_path / 'none'}"


def test_power_is_read_from_the_counters(go, monkeypatch, tmp_path):
    (tmp_path / "intel-rapl:0").mkdir()
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.write_text("0")
    monkeypatch.setattr(power, "POWERCAP", tmp_path)
    monkeypatch.setattr(power, "WATCHED", 0.02)
    monkeypatch.setattr(power.time, "sleep", lambda _seconds: counter.write_text("1000000"))
    row = go(Counting(), cases=(Case(family="power", kernel="power/idle", dims={"rows": 8}),))[0]
    assert row.unit == "W"
    assert 0 < row.value <= 1 / 0.02


def test_companions_run_the_same_case(go):
    class Beside:
        asked = ()

        @contextmanager
        def running(self, index):
            self.asked = (*self.asked, index)
            yield lambda: None

    beside = Beside()
    go(Counting(), companions=beside, limit=-1.0)
    assert beside.asked == (0, 2, 1)


def test_the_quietest_round_counts_and_rounds_tell_how_far_they_lie_apart(go):
    first, *_ = go(Counting())
    rows = [replace(first, value=value) for value in (3.0, 2.0, 2.5)]
    assert quietest(rows)[first.case.key].value == 2.0
    assert repeatability(rows) == {first.case.key: 0.25}
    assert repeatability(rows[:1]) == {}


@pytest.mark.parametrize(("values", "counts"), [((3.0, 2.0, 2.5), 2.5), ((3.0, 2.0), 2.0), ((3.0,), 3.0)])
def test_of_collectives_the_middle_round_counts(go, values, counts):
    """They vary by themselves; of two rounds the quieter one."""
    first, *_ = go(Counting())
    case = Case(family="collective", kernel="collective/all_reduce")
    rows = [replace(first, case=case, value=value) for value in values]
    assert [row.value for row in quietest(rows).values()] == [counts]


def test_between_processes_the_median_counts(go):
    alone, *_ = go(Counting(clock=Uneven()))
    together, *_ = go(Counting(clock=Uneven()), processes=2)
    assert (alone.value, together.value) == (pytest.approx(1e-3), pytest.approx(2e-3))


def test_short_calls_are_sampled_in_groups():
    timing = sample([lambda: None], _Quick(), 0.01)
    assert timing.quiet == pytest.approx(1e-6)
    assert timing.samples >= 5


class _Quick(Timer):
    def seconds(self, calls):
        self.longest = max(getattr(self, "longest", 0), len(calls))
        return 1e-6 * len(calls)


def test_samples_are_summarised():
    timing = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (timing.quiet, timing.usual, timing.least, timing.samples) == (2.0, 3.0, 1.0, 5)
    assert timing.spread == pytest.approx(2 / 3)
