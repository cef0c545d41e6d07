"""Refits every number of ``fits.toml`` on the rows that are left, from the same neutral start.

Objective of a fit: the mean absolute log error of its rows, every table alike, plus

    PULL / curves * sum over its numbers of (log((c + e) / (p + e)) / SPREAD) ** 2

with the coordinate c of a number (``responses.coordinate``), a floor e for coordinates that may be 0, and p
the geometric mean of the same field over the other fits of the family that have rows, the neutral value among
them. Curves are sets of rows that differ in batch, devices or layout alone, so that a number with few of them
stays near its family. A fit without rows takes p. Coordinate descent, in sweeps over all fits, because fits
share rows through devices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
import pandas as pd

from validation.fit.patches import Number, numbers_of
from validation.fit.responses import Array, FitRow, bounds, coordinate, value_at
from validation.published.fits import Fit

PULL, SPREAD = 0.05, 0.7
SWEEPS = 3
STEPS = (3.0, 1.8, 1.35, 1.15, 1.06, 1.025)
NEUTRAL: Mapping[str, float] = {
    "context_speed": 0.9,
    "convolution_speed": 1.0,
    "streaming_speed": 0.8,
    "reduction_speed": 0.6,
    "sustained": 0.9,
    "launch": 10e-6,
    "backward_launch": 1.0,
    "collective_launch": 20e-6,
    "step_overhead": 10e-3,
    "variable_overhead": 50e-6,
    "microbatch_overhead": 0.2e-3,
    "tensor_overlap": 0.5,
    "contention": 0.4,
}
"""What a number is taken to be before any row is seen: orders of magnitude, the same for every stack."""
EAGER = {"launch": 45e-6}
"""The same where Python calls operator by operator: 53.7 ms for 1,185 launches, of which the device computes
7.3 ms (PyTorch 2.6 on an A6000, facebookresearch/sam2 issue 768); compiled programs take 7 to 9 us a kernel.
"""
EAGER_FAMILIES = frozenset({"megatron", "fsdp", "eager"})
FLOORS: Mapping[str, float] = {
    "launch": 1e-6,
    "backward_launch": 0.1,
    "collective_launch": 2e-6,
    "step_overhead": 1e-3,
    "variable_overhead": 5e-6,
    "microbatch_overhead": 0.1e-3,
    "tensor_overlap": 0.1,
    "contention": 0.1,
}
Coordinates = dict[Number, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """A fit with the rows that it may use."""

    fit: Fit
    rows: tuple[FitRow, ...]

    @property
    def curves(self) -> int:
        """Independent curves among the rows."""
        return len({row.curve for row in self.rows})


def solve(evidence: Sequence[Evidence]) -> dict[Number, float]:
    """Values of all numbers on this evidence; fits without rows take their family's."""
    places = {number: neutral_place(number, each.fit) for each in evidence for number in _of(each)}
    for _ in range(SWEEPS):
        for each in evidence:
            expected = {number: prior(number, each.fit, evidence, places) for number in _of(each)}
            if each.rows:
                _descend(each, expected, places)
            else:
                places |= expected
    return {number: value_at(number, place) for number, place in places.items()}


def neutral_place(number: Number, fit: Fit) -> float:
    """Coordinate of a number before any row is seen."""
    eager = EAGER if fit.family in EAGER_FAMILIES else {}
    return coordinate(number, eager.get(number.field, NEUTRAL[number.field]))


def prior(number: Number, fit: Fit, evidence: Sequence[Evidence], places: Coordinates) -> float:
    """Coordinate that a number is pulled to: the geometric mean of its family's and the neutral one."""
    floor = FLOORS.get(number.field, 0.0)
    members = [neutral_place(number, fit)]
    members += [
        places[other]
        for each in evidence
        if each.rows and each.fit.family == fit.family and each.fit != fit
        for other in _of(each)
        if other.field == number.field
    ]
    return exp(float(np.mean([log(member + floor) for member in members if member + floor > 0]))) - floor


def mean_error(rows: Sequence[FitRow], places: Coordinates) -> float:
    """Mean absolute log error, every table alike."""
    errors = [abs(log(row.seconds(places) / row.measured)) for row in rows]
    tables = [row.row.file for row in rows]
    return float(pd.Series(errors, index=tables).groupby(level=0).mean().mean())


def _descend(each: Evidence, expected: Coordinates, places: Coordinates) -> None:
    """Move the numbers of a fit to where its objective is least."""
    fast = _Rows(each.rows, places)
    best = _objective(each, fast, expected, places)
    for step in STEPS:
        for number in _of(each):
            for factor in (step, 1 / step):
                before = places[number]
                places[number] = _moved(number, before, factor)
                tried = _objective(each, fast, expected, places)
                if tried < best:
                    best = tried
                else:
                    places[number] = before


def _moved(number: Number, place: float, factor: float) -> float:
    floor = FLOORS.get(number.field, 0.0)
    low, high = bounds(number)
    return min(max((place + floor) * factor - floor, low), high)


def _objective(each: Evidence, rows: "_Rows", expected: Coordinates, places: Coordinates) -> float:
    pulls = 0.0
    for number, wanted in expected.items():
        floor = FLOORS.get(number.field, 0.0)
        pulls += (log((places[number] + floor + 1e-12) / (wanted + floor + 1e-12)) / SPREAD) ** 2
    return rows.error(places) + PULL / max(1, each.curves) * pulls


def _of(each: Evidence) -> tuple[Number, ...]:
    return numbers_of(each.fit)


class _Rows:
    """The rows of a fit as arrays: shipped and measured seconds, and the sum of their responses."""

    def __init__(self, rows: Sequence[FitRow], places: Coordinates) -> None:
        self.shipped = np.array([row.shipped for row in rows])
        self.measured = np.array([row.measured for row in rows])
        files = [row.row.file for row in rows]
        counts = pd.Series(files).value_counts()
        self.weights = np.array([1 / (len(counts) * counts[file]) for file in files])
        known = {number for row in rows for number in row.responses} & places.keys()
        self.responses = {
            number: [(i, row.responses[number]) for i, row in enumerate(rows) if number in row.responses]
            for number in known
        }
        self.changes: dict[Number, tuple[float, Array]] = {}

    def error(self, places: Coordinates) -> float:
        """Weighted mean absolute log error at these coordinates."""
        total = self.shipped.copy()
        for number, answers in self.responses.items():
            place = places[number]
            if number not in self.changes or self.changes[number][0] != place:
                change = np.zeros(len(self.shipped))
                for i, response in answers:
                    change[i] = response.change(place)
                self.changes[number] = place, change
            total += self.changes[number][1]
        predicted = np.maximum(total, self.shipped / 20)
        return float(self.weights @ np.abs(np.log(predicted / self.measured)))
