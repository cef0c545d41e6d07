"""The order in which cases are trained: all once, all again, then those whose runs do not agree.

Runs of a case lie far apart in time, because the guests of one host slow each other down for many seconds.
Kernels may be measured again between the first runs and the second, so that both have seen the same minutes
of the machine; predictions follow the profiles fitted last. How long it takes yet is told from how long
trainings took so far.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from simdl.errors import SimdlError
from validation.real_steps.cases import HardwareCase
from validation.real_steps.runs import (
    REPEATS,
    HardwareRow,
    fresh_row,
    predicted_again,
    run_again,
    unquiet,
)

LIMIT, FULL_LIMIT = 270.0, 900.0
"""[s] after which no third or fourth run of a case is begun, of the usual cases and of a full run."""

STOPPED = "stopped before it was trained"

Say = Callable[[str], None]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What goes on between the first runs and the second.

    Attributes:
        profiles: measures further rounds of kernels; paths of the profiles fitted then, by processes.
        seconds: [s] that it takes, about.
    """

    profiles: Callable[[], Mapping[int, str]]
    seconds: float


@dataclass(slots=True, kw_only=True)
class _Trained:
    """Rows while they fill.

    Attributes:
        rows: of every case, in order.
        profiles: paths by number of processes.
        durations: [s] that runs of a row took.
        start: [s] of the clock, less what went on between runs.
    """

    rows: list[HardwareRow]
    profiles: Mapping[int, str]
    durations: dict[int, float] = field(default_factory=dict)
    start: float


def train_all(
    cases: Sequence[HardwareCase],
    profiles: Mapping[int, str],
    device: str,
    *,
    limit: float,
    say: Say,
    between: Between | None = None,
    clock: Clock = time.monotonic,
) -> tuple[list[HardwareRow], bool]:
    """Each case simulated and trained: twice, and while time lasts until its runs agree.

    Interrupted, it gives what there is; a case that has not run yet is skipped.

    Args:
        cases: what to train.
        profiles: paths by number of processes.
        device: ``cpu`` or ``cuda:N``.
        limit: [s] after which no further run of a case that has two is begun.
        say: told after every run what is done and about how long it takes yet.
        between: what goes on when all cases have run once.
        clock: [s].

    Returns:
        The rows, and whether it was interrupted.
    """
    state = _Trained(rows=[fresh_row(case, profiles) for case in cases], profiles=profiles, start=clock())
    try:
        _train(state, device, limit=limit, say=say, between=between, clock=clock)
    except KeyboardInterrupt:
        say("Stopped; what was trained so far follows.")
        return [_ended(row) for row in state.rows], True
    return state.rows, False


def _ended(row: HardwareRow) -> HardwareRow:
    return row if row.skipped or row.measured else replace(row, skipped=STOPPED)


def _train(
    state: _Trained, device: str, *, limit: float, say: Say, between: Between | None, clock: Clock
) -> None:
    for turn in range(1, REPEATS + 1):
        waiting = [index for index, row in enumerate(state.rows) if unquiet(row)]
        pause = between.seconds if between and turn == 1 else 0.0
        for place, index in enumerate(waiting):
            if turn > 2 and clock() - state.start > limit:
                return
            begun = clock()
            state.rows[index] = run_again(state.rows[index], state.profiles, device)
            state.durations[index] = clock() - begun
            left = seconds_left(state.durations, waiting, place, turn)
            most = max(left, limit - (clock() - state.start))
            say(
                f"run {turn}: {place + 1} of {len(waiting)} cases, about {pause + left:.0f} s left, "
                f"{pause + most:.0f} s where runs do not agree"
            )
        if between and turn == 1:
            say("all cases have run once; kernels are measured further before they run again")
            _look_again(state, between, say, clock)


def _look_again(state: _Trained, between: Between, say: Say, clock: Clock) -> None:
    """Kernels measured further and all that ran predicted anew; what that takes is no time of training."""
    begun = clock()
    try:
        state.profiles = between.profiles()
        state.rows = [predicted_again(row, state.profiles) for row in state.rows]
    except SimdlError as error:
        say(f"kernels could not be measured further ({error}); predictions follow the first half")
    state.start += clock() - begun


def seconds_left(durations: Mapping[int, float], waiting: Sequence[int], place: int, turn: int) -> float:
    """[s] that the rest of the first two runs takes; of a later run, the rest of that.

    Args:
        durations: [s] of the last run of a case, by its number.
        waiting: numbers of the cases of this run, in order.
        place: of the one that has just ended.
        turn: which run, from 1.
    """
    mean = sum(durations.values()) / len(durations)
    left = sum(durations.get(index, mean) for index in waiting[place + 1 :])
    again = sum(durations.get(index, mean) for index in waiting) if turn == 1 else 0.0
    return left + again
