"""A run over all cases of one setting, round after round, that can be stopped and taken up again."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
from validation.microbenchmarks.families.streaming import streaming_cases
from validation.microbenchmarks.journal import append_measurements
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.power import measure_power
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.timing import sample

FAMILIES: tuple[Callable[[Scope], Iterator[Case]], ...] = (
    launch_cases,
    streaming_cases,
    matmul_cases,
    attention_cases,
    convolution_cases,
    copy_cases,
    contention_cases,
    device_collective_cases,
    power_cases,
)

BUDGET, QUICK_BUDGET = 0.05, 0.015
"""[s] for the samples of one case in one round, beyond the fewest that are taken."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run needs to know.

    Attributes:
        backend, setting, scope: where, and how much.
        path: of the file of measurements.
        limit: [s] after which no further round of a case that has one is begun.
        progress: told what is being measured.
    """

    backend: Backend
    setting: Setting
    scope: Scope
    path: Path
    limit: float
    progress: Progress


def all_cases(scope: Scope) -> tuple[Case, ...]:
    """Every case of a scope, in a fixed order."""
    return tuple(case for family in FAMILIES for case in family(scope))


def run_suite(run: Run, done: Sequence[Measurement], companions: Companions) -> None:
    """Measure what is not done yet and append it to the file, case by case.

    Args:
        run: where, how much and where to.
        done: rows of an earlier run of the same setting.
        companions: processes that run the same case at the same time.
    """
    start = time.monotonic()
    measured = 0
    cases = all_cases(run.scope)
    seen = {(found.case.key, found.turn) for found in done}
    refused = {found.case.key for found in done if found.skipped}
    order = turns(cases, run.scope.rounds)
    for place, (turn, index) in enumerate(order):
        case = cases[index]
        late = turn > 0 and time.monotonic() - start > run.limit
        if late or (case.key, turn) in seen or case.key in refused:
            continue
        found = measure_case(run, case, index, turn, companions)
        if found.skipped:
            refused.add(case.key)
        append_measurements(run.path, (found,))
        measured += 1
        if index % 20 == 0:
            passed = time.monotonic() - start
            left = time_left(order[place + 1 :], passed, measured, run.limit)
            so_far = f"{place + 1} of {len(order)} measurements ({(place + 1) / len(order):.0%})"
            run.progress(f"round {turn + 1} of {run.scope.rounds}: {so_far}, about {left:.0f} s left")


def time_left(order: Sequence[tuple[int, int]], passed: float, measured: int, limit: float) -> float:
    """[s] that the rest of a run takes if it goes on as it has.

    Args:
        order: what is left, as `turns` has it.
        passed: [s] since the start.
        measured: so many since then.
        limit: [s] after which only first rounds are measured.
    """
    each = passed / measured
    first = sum(each for turn, _ in order if turn == 0)
    further = sum(each for turn, _ in order if turn > 0)
    return first + min(further, max(0.0, limit - passed - first))


def turns(cases: Sequence[Case], rounds: int) -> list[tuple[int, int]]:
    """(round, case) in the order in which they are measured.

    Convolutions take the longest and come a round later than the rest, so that the rest has its second
    round even where time ends with the first of theirs.
    """
    order = [(turn, index) for turn in range(rounds) for index in range(len(cases))]
    return sorted(order, key=lambda each: each[0] + (cases[each[1]].family == "convolution"))


def measure_case(run: Run, case: Case, index: int, turn: int, companions: Companions) -> Measurement:
    """One round of one case; a case that cannot run is recorded with the reason."""
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    base = Measurement(setting=run.setting, case=case, turn=turn, date=date)
    try:
        if case.family == "power":
            watts = measure_power(run.backend, case)
            return replace(base, value=watts, unit="W", least=watts, samples=1)
        with companions.running(index):
            return _timed(run, case, base)
    except UnsupportedCaseError as error:
        return replace(base, skipped=f"not supported: {error}")
    except OutOfMemoryError as error:
        return replace(base, skipped=f"out of memory: {error}")
    finally:
        run.backend.release()


def _timed(run: Run, case: Case, base: Measurement) -> Measurement:
    prepared = run.backend.prepare(case)
    if prepared.workspace > run.scope.workspace:
        needed, limit = (f"{nbytes / 2**20:.0f} MiB" for nbytes in (prepared.workspace, run.scope.workspace))
        raise OutOfMemoryError(f"a workspace of {needed} is over the {limit} that a case may take")
    budget = QUICK_BUDGET if run.scope.quick else BUDGET
    with ExitStack() as stack:
        stack.enter_context(prepared.background())
        timing = sample(prepared.calls, prepared.timer or run.backend.timer(), budget)
    return replace(
        base,
        value=timing.median / prepared.per_call,
        spread=timing.spread,
        least=timing.least / prepared.per_call,
        samples=timing.samples,
        workspace=prepared.workspace,
    )
