"""Measurements: one round of one case, with everything needed to read it years later."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log
from statistics import median

from validation.microbenchmarks.case import Case

FEWEST_PAIRS = 20
"""Rounds of equal cases from which on it can be told whether kernels follow the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and with what a run measures; the same for all of its rows.

    Attributes:
        device: as the driver or operating system calls it.
        driver: its version, or the operating system's.
        backend: library whose kernels are timed.
        software: versions by name.
        processes: that run the same case at the same time, each with its share of the machine.
        threads: of each process.
    """

    device: str
    driver: str
    backend: str
    software: Mapping[str, str]
    processes: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One round of one case.

    Attributes:
        setting: where.
        case: of what.
        turn: which round, from 0.
        date: day and time in UTC.
        value: lower quartile, or median where several processes measure, in ``unit``; 0 where it was skipped.
        unit: ``s`` or ``W``.
        spread: interquartile range over the median.
        least: smallest sample, in ``unit``.
        samples: how many.
        workspace: [bytes] of scratch memory of one call.
        pace: [s] of the probe of the machine's speed around it (`pace.py`); 0 where nobody probed.
        slowed: how often the usual speed's time it took before it was told at that speed (`at_one_speed`).
        skipped: why there is no value; empty where there is one.
    """

    setting: Setting
    case: Case
    turn: int
    date: str
    value: float = 0.0
    unit: str = "s"
    spread: float = 0.0
    least: float = 0.0
    samples: int = 0
    workspace: float = 0.0
    pace: float = 0.0
    slowed: float = 1.0
    skipped: str = ""

    @property
    def moment(self) -> float:
        """[s] of the clock when it was measured; 0 where no date says."""
        return dt.datetime.fromisoformat(self.date).timestamp() if self.date else 0.0


def quietest(measurements: Iterable[Measurement]) -> dict[str, Measurement]:
    """By case, the round with the least value: other work on a machine only ever adds time.

    Of collectives the middle round: they vary by themselves, with when the threads of either side wake.
    """
    rounds: dict[str, list[Measurement]] = {}
    for found in measurements:
        if not found.skipped:
            rounds.setdefault(found.case.key, []).append(found)
    return {key: _counting(found) for key, found in rounds.items()}


def _counting(rounds: Sequence[Measurement]) -> Measurement:
    """The round that counts."""
    by_value = sorted(rounds, key=lambda found: found.value)
    return by_value[(len(by_value) - 1) // 2 if by_value[0].case.family == "collective" else 0]


def usual_pace(measurements: Iterable[Measurement]) -> float:
    """[s] median of the probe around measurements; 0 where nobody probed."""
    return median([row.pace for row in measurements if row.pace > 0] or [0.0])


def at_one_speed(measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """The quietest round of every case, at the usual speed of the machine where a probe tells of it.

    On a busy host a kernel and the probe around it slow down together: under real-time priority rounds of 43
    kernels lay 19 % apart as measured, by the median of deviations, and 12 % at one speed. On a quiet one the
    probe, a tenth of a millisecond of one kind of work, varies more than kernels do: rounds of 413 cases lay
    4 % apart as measured and 9 % at its speed, kernels held out were off by 6.2 and 9.6 %. So its word counts
    where rounds of equal cases agree better by it.
    """
    rows = tuple(measurements)
    kept = tuple(quietest(rows).values())
    if not is_followed(rows):
        return kept
    usual = usual_pace(kept)
    return tuple(_told(row, row.pace / usual) if row.pace > 0 and row.unit == "s" else row for row in kept)


def _told(row: Measurement, slowed: float) -> Measurement:
    return replace(row, value=row.value / slowed, slowed=slowed)


def is_followed(measurements: Iterable[Measurement]) -> bool | None:
    """Whether rounds of equal cases agree better at the speed that the probe tells; None if few can tell."""
    rounds: dict[str, list[Measurement]] = {}
    for row in measurements:
        if row.pace > 0 and not row.skipped and row.unit == "s":
            rounds.setdefault(row.case.key, []).append(row)
    pairs = [pair for rows in rounds.values() for pair in pairwise(rows)]
    if len(pairs) < FEWEST_PAIRS:
        return None
    plain = [log(after.value / before.value) for before, after in pairs]
    paced = [told - log(after.pace / before.pace) for told, (before, after) in zip(plain, pairs, strict=True)]
    return _deviation(paced) < _deviation(plain)


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return median(abs(value - middle) for value in values)


def repeatability(measurements: Iterable[Measurement]) -> dict[str, float]:
    """By case measured more than once, how far its two quietest rounds lie apart."""
    values: dict[str, list[float]] = {}
    for found in measurements:
        if not found.skipped:
            values.setdefault(found.case.key, []).append(found.value)
    pairs = {key: sorted(rounds)[:2] for key, rounds in values.items() if len(rounds) > 1}
    return {key: second / least - 1 for key, (least, second) in pairs.items()}
