"""A run over all cases of one setting, round after round, that can be stopped and taken up again."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from validation.microbenchmarks.backend import Backend, OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.companions import Companions
from validation.microbenchmarks.families.attention import attention_cases
from validation.microbenchmarks.families.collective import device_collective_cases
from validation.microbenchmarks.families.convolution import convolution_cases
from validation.microbenchmarks.families.matmul import matmul_cases
from validation.microbenchmarks.families.overheads import (
    contention_cases,
    copy_cases,
    launch_cases,
    power_cases,
)
from validation.microbenchmarks.families.recurrence import recurrence_cases
from validation.microbenchmarks.families.streaming import streaming_cases
from validation.microbenchmarks.journal import append_measurements
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.pace import no_pace
from validation.microbenchmarks.power import measure_power
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.timing import sample

FAMILIES: tuple[Callable[[Scope], Iterator[Case]], ...] = (
    launch_cases,
    streaming_cases,
    matmul_cases,
    attention_cases,
    recurrence_cases,
    convolution_cases,
    copy_cases,
    contention_cases,
    device_collective_cases,
    power_cases,
)

BUDGET, QUICK_BUDGET = 0.05, 0.008
"""[s] for the samples of one case in one round, beyond the fewest that are taken."""

GOLDEN = (5**0.5 - 1) / 2

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run needs to know.

    Attributes:
        backend, setting, scope: where, and how much.
        path: of the file of measurements.
        limit: [s] after which no further round of a case that has one is begun.
        progress: told what is being measured.
        pace: [s] of a probe of the machine's speed.
    """

    backend: Backend
    setting: Setting
    scope: Scope
    path: Path
    limit: float
    progress: Progress
    pace: Callable[[], float] = no_pace


def all_cases(scope: Scope) -> tuple[Case, ...]:
    """Every case of a scope, in a fixed order."""
    return tuple(case for family in FAMILIES for case in family(scope))


def run_suite(run: Run, done: Sequence[Measurement], companions: Companions) -> None:
    """Measure what is not done yet and append it to the file, case by case.

    Further rounds begin with what was measured while the machine was slowest.

    Args:
        run: where, how much and where to.
        done: rows of an earlier run of the same setting.
        companions: processes that run the same case at the same time.
    """
    cases = all_cases(run.scope)
    state = _State(
        run=run,
        companions=companions,
        seen={(found.case.key, found.turn) for found in done},
        refused={found.case.key for found in done if found.skipped},
        total=len(cases) * run.scope.rounds,
        paces=least_paces(cases, done),
    )
    order = first_round(len(cases))
    for turn in range(run.scope.rounds):
        for place, index in enumerate(order):
            if turn > 0 and time.monotonic() - state.start > run.limit:
                return
            state.measure(cases[index], index, turn)
            if state.is_due():
                rest = [cases[later] for later in order[place + 1 :]]
                state.report(turn, sum(state.is_open(case, turn) for case in rest))
        order = sorted(order, key=lambda index: -state.paces.get(index, inf))


def least_paces(cases: Sequence[Case], done: Sequence[Measurement]) -> dict[int, float]:
    """[s] of the probe beside the best round of every case that has one, by its place."""
    paces: dict[str, float] = {}
    for found in done:
        if found.pace > 0:
            paces[found.case.key] = min(found.pace, paces.get(found.case.key, inf))
    return {index: paces[case.key] for index, case in enumerate(cases) if case.key in paces}


@dataclass(slots=True, kw_only=True)
class _State:
    """A run while it goes on.

    Attributes:
        run, companions: as asked for.
        seen: (case, round) that are done. refused: cases that cannot run.
        total: rounds of cases that there may be.
        start: [s] of the clock.
        measured: rounds of cases so far.
        said: how many there were when it was said last.
        paces: [s] of the probe while a case had its best round.
    """

    run: Run
    companions: Companions
    seen: set[tuple[str, int]]
    refused: set[str]
    total: int
    start: float = field(default_factory=time.monotonic)
    measured: int = 0
    said: int = 0
    paces: dict[int, float] = field(default_factory=dict)

    def is_open(self, case: Case, turn: int) -> bool:
        """Whether this round of a case is neither done nor refused."""
        return (case.key, turn) not in self.seen and case.key not in self.refused

    def measure(self, case: Case, index: int, turn: int) -> None:
        """One round of a case, unless it is done or cannot run."""
        if not self.is_open(case, turn):
            return
        before = self.run.pace()
        found = measure_case(self.run, case, index, turn, self.companions)
        pace = (before + self.run.pace()) / 2
        found = replace(found, pace=pace)
        self.paces[index] = min(pace, self.paces.get(index, pace))
        if found.skipped:
            self.refused.add(case.key)
        append_measurements(self.run.path, (found,))
        self.measured += 1

    def is_due(self) -> bool:
        """Whether to say how far it is, once; the first ones are slow: blocks of numbers are filled."""
        due = self.measured % 20 == 0 and self.measured > self.said
        self.said = self.measured if due else self.said
        return due

    def report(self, turn: int, left: int) -> None:
        """Say how far it is; ``left`` more are in this round."""
        run, passed = self.run, time.monotonic() - self.start
        seconds = time_left(left, passed, self.measured, run.limit)
        done = f"{len(self.seen) + self.measured} of at most {self.total} measurements"
        run.progress(f"round {turn + 1} of {run.scope.rounds}: {done}, about {seconds:.0f} s left")


def time_left(left: int, passed: float, measured: int, limit: float) -> float:
    """[s] that the rest of a run takes if it goes on as it has.

    Args:
        left: cases of this round.
        passed: [s] since the start.
        measured: so many since then.
        limit: [s] until which further rounds are begun.
    """
    return max(left * passed / measured, limit - passed)


def first_round(count: int) -> list[int]:
    """Places of so many cases in the order in which they are measured first: neighbours far apart.

    A machine that is slow for some seconds then spoils a case or two of many kernels, which their fits tell
    from the others, and not all cases of one. Steps of the golden section spread any number of places evenly
    (Weyl 1916).

    Example:
        >>> first_round(5)
        [0, 2, 4, 1, 3]
    """
    return sorted(range(count), key=lambda index: index * GOLDEN % 1)


def measure_case(run: Run, case: Case, index: int, turn: int, companions: Companions) -> Measurement:
    """One round of one case; a case that cannot run is recorded with the reason."""
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    base = Measurement(setting=run.setting, case=case, turn=turn, date=date)
    try:
        if case.family == "power":
            watts = measure_power(run.backend, case)
            return replace(base, value=watts, unit="W", least=watts, samples=1)
        with companions.running(index) as ready:
            return _timed(run, case, base, ready)
    except UnsupportedCaseError as error:
        return replace(base, skipped=f"not supported: {error}")
    except OutOfMemoryError as error:
        return replace(base, skipped=f"out of memory: {error}")
    finally:
        run.backend.release()


def _timed(run: Run, case: Case, base: Measurement, ready: Callable[[], None]) -> Measurement:
    """One round, once companions run the case too: ``ready`` waits for them."""
    prepared = run.backend.prepare(case)
    ready()
    if prepared.workspace > run.scope.workspace:
        needed, limit = (f"{nbytes / 2**20:.0f} MiB" for nbytes in (prepared.workspace, run.scope.workspace))
        raise OutOfMemoryError(f"a workspace of {needed} is over the {limit} that a case may take")
    budget = QUICK_BUDGET if run.scope.quick else BUDGET
    with ExitStack() as stack:
        stack.enter_context(prepared.background())
        timing = sample(prepared.calls, prepared.timer or run.backend.timer(), budget)
    return replace(
        base,
        value=(timing.quiet if run.setting.processes == 1 else timing.usual) / prepared.per_call,
        spread=timing.spread,
        least=timing.least / prepared.per_call,
        samples=timing.samples,
        workspace=prepared.workspace,
    )
